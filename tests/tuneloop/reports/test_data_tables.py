from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.tuneloop.reports.data_examples import check, example, make_manifest, make_slice
from tuneloop.data.rejection_reasons import MEANINGS, meaning
from tuneloop.lineage.data_diff import diff
from tuneloop.reports.data.tables import (
    artifact_markdown,
    check_rows,
    funnel_rows,
    problems,
    remark,
    slice_rows,
    split_rows,
    verdict,
)
from tuneloop.reports.data.terminal import print_diff, print_log, print_manifest, visible
from tuneloop.results import Forgotten, Step

HOSTILE = "[/red] [link=http://x]y[/] <script>alert(1)</script> | ![](http://evil/x.png) \x1b[2J"


def printed(show, *things) -> str:
    console = Console(file=io.StringIO(), width=300)
    show(*things, console)
    return console.file.getvalue()


def test_the_verdict_is_a_sentence_that_accounts_for_every_row():
    told = "1,234 rows in, 1,080 kept, 134 set aside, 20 sound but not used, 60 synthetic ones added; nothing blocks"
    assert verdict(make_manifest()) == told
    assert problems(make_manifest()) == []


def test_a_check_that_blocks_is_in_the_verdict_and_among_the_problems():
    manifest = make_manifest(checks=[check("cluster_in_two_splits", 3, severity="block")])
    assert verdict(manifest).endswith("1 check blocks")
    assert "3 rows" in problems(manifest)[0]


def test_rows_that_nobody_accounts_for_are_a_problem():
    (problem,) = problems(make_manifest(rows_in=1235))
    assert "1,295 rows came in or were made, 1,294 are accounted for" in problem


def test_every_step_of_the_funnel_takes_up_what_the_last_one_let_out():
    rows = funnel_rows(make_manifest())
    assert [r["rows in"] for r in rows] == [1234, *(r["rows out"] for r in rows[:-1])]
    assert all(r["rows in"] - r["removed"] + r["added"] == r["rows out"] for r in rows)
    assert rows[3] | {"why": "near copy 60, leakage 10", "removed": 70} == rows[3]
    assert (rows[1]["changed"], rows[5]["added"]) == ("html 31, unicode 2", 60)


def test_rows_lost_without_a_reason_are_shown_as_such():
    (row,) = funnel_rows(make_manifest(rows_in=10, steps=[Step(name="read", rows_out=7, removed={"empty_field": 1})]))
    assert (row["removed"], row["why"]) == (3, "no reason given 2, empty field 1")


def test_checks_that_found_something_come_first_and_the_gravest_at_the_top():
    rows = check_rows(make_manifest())
    assert [r["passed"] for r in rows] == [False, False, False, True, True]
    assert [r["severity"] for r in rows[:3]] == ["quarantine", "quarantine", "warn"]


def test_token_lengths_are_summed_up_by_lengths_that_rows_have():
    rows = {r["split"]: r for r in split_rows(make_manifest(lengths={"train": list(range(1, 101))}))}
    assert rows["train"] == {"split": "train", "rows": 920, "shortest": 1, "median": 50, "p95": 95, "longest": 100}
    assert rows["test"]["median"] is None


def test_a_slice_with_labels_of_its_own_is_marked():
    assert "labels" in remark(make_slice(excess=0.6), [])
    assert remark(make_slice(excess=None), []) == ""


@pytest.mark.parametrize(
    ("share", "rows", "is_marked"),
    [(0.4, 100, True), (0.4, 3, False), (0.15, 5000, False), (0.1, 5000, False)],
    ids=["many of many", "few rows prove nothing", "surely more but not much", "as elsewhere"],
)
def test_a_slice_that_loses_far_more_rows_than_the_others_is_marked(share, rows, is_marked):
    part = make_slice(flagged_share=share, rows=rows)
    assert ("set aside" in remark(part, [part, make_slice("other", 900)])) is is_marked


def test_a_slice_with_no_row_left_is_marked_and_a_lone_one_has_nothing_to_be_compared_with():
    gone, lone = make_slice(flagged_share=1.0, rows=0), make_slice(flagged_share=0.9)
    assert remark(gone, [gone, lone]) == "no row is left"
    assert remark(lone, [gone, lone]) == ""


def test_slices_are_grouped_by_what_they_are_cut_along_the_largest_first():
    manifest = make_manifest(slices=[make_slice("a", 1), make_slice("b", 9), make_slice("desk", by="source")])
    assert {by: [p["value"] for p in parts] for by, parts in slice_rows(manifest).items()} == {
        "source": ["desk"],
        "label:category": ["b", "a"],
    }


def test_the_artifact_has_steps_checks_slices_lengths_and_few_masked_examples():
    text = artifact_markdown(make_manifest())
    assert all(f"### {title}" in text for title in ("Steps", "Checks", "Rows and their tokens", "Examples"))
    assert "| personal data | The row holds personal data or a secret" in text
    assert text.count("▒▒▒▒▒") == 9  # three reasons with examples, of five each


def test_an_example_can_neither_format_nor_load_anything_in_the_artifact():
    text = artifact_markdown(make_manifest(checks=[check(examples=[example(text=f"{HOSTILE}\n\n# Heading")])]))
    assert "<script>" not in text
    assert "![](" not in text
    assert "\n# Heading" not in text
    assert text.count(r"\<script\>") == 1


@given(st.text())
def test_no_text_breaks_out_of_its_table_row(value):
    rows = artifact_markdown(make_manifest(slices=[make_slice(value)])).split("### Slices")[1].split("### ")[0]
    cells = rows.replace(r"\\", "").replace(r"\|", "")
    assert [line.count("|") for line in cells.splitlines() if line.startswith("|")] == [7, 7, 7]


def test_what_is_printed_is_neither_markup_nor_a_control_sequence():
    manifest = make_manifest(slices=[make_slice(HOSTILE, excess=0.9)], recipe=HOSTILE)
    for text in (printed(print_manifest, manifest), printed(print_log, [manifest])):
        assert "[/red] [link=http://x]y[/]" in text
        assert "\x1b" not in text


def test_the_log_has_a_line_per_version_with_its_most_frequent_reasons():
    text = printed(print_log, [make_manifest("aaa"), make_manifest("bbb", parents=["aaa"])])
    assert [line.split()[0] for line in text.splitlines() if "2026-11" in line] == ["aaa", "bbb"]
    assert "near copy 60, personal data 60, leakage 10" in text


def test_moved_rows_are_shown_loudly():
    old, new = make_manifest("aaa"), make_manifest("bbb")
    text = printed(print_diff, diff(old, new, {"test": {"r7": ""}}, {"train": {"r7": ""}}))
    assert "ROWS IN ANOTHER SPLIT THAN BEFORE: 1." in text
    assert "r7: test -> train" in text
    assert "Nothing differs" in printed(print_diff, diff(old, new, {}, {}))


def test_control_and_direction_characters_and_half_surrogates_are_written_out():
    assert visible("räksmörgås ▒") == "räksmörgås ▒"
    assert visible("\x1b[2J\u202e\ud800\n") == r"\x1b[2J\u202e\ud800\n"


def test_a_reason_that_nobody_described_is_its_own_description():
    assert meaning("quite_new") == "quite new"
    assert all(text.endswith(".") and name.islower() for name, text in MEANINGS.items())


def test_forgotten_rows_are_accounted_for_and_shown():
    gone = Forgotten(at="2026-11-01", rows={"train": 2}, files={})
    whole = make_manifest("v")
    rows = {**whole.rows, "train": whole.rows["train"] - 2}
    assert problems(whole.model_copy(update={"rows": rows})) != problems(whole)
    left = whole.model_copy(update={"rows": rows, "forgotten": gone})
    assert problems(left) == problems(whole)
    assert "2 forgotten since" in verdict(left)
