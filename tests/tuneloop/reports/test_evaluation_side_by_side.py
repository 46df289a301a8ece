from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuneloop.reports.evaluation_examples import MAIL, make_evaluated_round, metric, write_files
from tuneloop.data.masking import shown
from tuneloop.reports.evaluation.side_by_side import FAILURES, PAIRS, choose, read_side_by_side


@pytest.fixture
def round_(tmp_path):
    found = make_evaluated_round(tmp_path)
    write_files(found)
    return found


def test_the_best_the_worst_and_others_are_chosen():
    chosen = choose({f"r{i}": (i - 20) / 10 for i in range(41)})
    assert len(chosen) == PAIRS
    assert [i for i, kind, _ in chosen if kind == "best"] == [f"r{i}" for i in range(40, 33, -1)]
    assert [i for i, kind, _ in chosen if kind == "worst"] == [f"r{i}" for i in range(7)]
    assert len({row_id for row_id, _, _ in chosen}) == PAIRS


def test_what_did_not_change_is_neither_best_nor_worst():
    assert {kind for _, kind, _ in choose({f"r{i}": 0.0 for i in range(30)})} == {"random"}
    assert choose({"a": 0.5, "b": 0.0, "c": -0.5}) == [("a", "best", 0.5), ("c", "worst", -0.5), ("b", "random", 0.0)]


def test_the_choice_is_the_same_in_any_order():
    changes = {f"r{i}": (i % 3) / 10 for i in range(50)}
    assert choose(changes) == choose(dict(reversed(changes.items())))


def test_every_model_is_shown_with_its_score(round_):
    found = read_side_by_side(round_, shown)
    assert (found.metric, found.against, found.missing) == ("field_accuracy", "champion", ())
    assert len(found.pairs) == PAIRS
    for pair in found.pairs:
        assert [answer.model for answer in pair.answers] == ["base", "champion", "candidate"]
        scores = {answer.model: answer.score for answer in pair.answers}
        assert pair.change == pytest.approx(scores["candidate"] - scores["champion"])


def test_where_lower_is_better_a_fall_is_a_gain(tmp_path):
    round_ = make_evaluated_round(tmp_path)
    write_files(round_)
    lower = {"field_accuracy": metric(0.5, lower_is_better=True)}
    turned = round_.model_copy(update={"candidate": round_.candidate.model_copy(update={"metrics": lower})})
    for pair in read_side_by_side(turned, shown).pairs:
        scores = {answer.model: answer.score for answer in pair.answers}
        assert pair.change == pytest.approx(scores["champion"] - scores["candidate"])


def test_without_a_champion_the_base_is_the_reference(round_):
    found = read_side_by_side(round_.model_copy(update={"champion": None}), shown)
    assert found.against == "base"
    assert {answer.model for pair in found.pairs for answer in pair.answers} == {"base", "candidate"}


def test_deleted_answers_are_named_and_the_rest_is_shown(round_):
    Path(round_.base.answers).unlink()
    found = read_side_by_side(round_, shown)
    assert found.missing == ("The answers of the base were deleted or cannot be read, so they are not shown.",)
    assert {answer.model for pair in found.pairs for answer in pair.answers} == {"champion", "candidate"}


def test_a_file_that_was_cut_off_counts_as_missing(round_):
    file = Path(round_.base.answers)
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    assert "base" in read_side_by_side(round_, shown).missing[0]


def test_deleted_scores_are_named(round_):
    Path(round_.champion.scores).unlink()
    found = read_side_by_side(round_, shown)
    assert found.pairs == ()
    assert "champion have no scores by row" in found.missing[0]


def test_only_failures_are_listed_and_not_too_many(round_):
    assert len(read_side_by_side(round_, shown).failures) == 4
    file = Path(round_.candidate.answers).with_name("red_team.jsonl")
    file.write_text('{"category": "x", "prompt": "p", "answer": "a", "failure": "f"}\n' * 99, encoding="utf-8")
    assert len(read_side_by_side(round_, shown).failures) == FAILURES


def test_the_private_test_set_is_never_read(round_):
    for name in ("private.jsonl", "private.parquet", "private-answers.jsonl"):
        Path(round_.candidate.answers).with_name(name).write_text("a private prompt", encoding="utf-8")
    assert "a private prompt" not in repr(read_side_by_side(round_, shown))


def test_a_row_named_by_an_address_is_masked_and_others_can_be_looked_up():
    from tuneloop.reports.evaluation.side_by_side import _name

    assert _name("held-0042", shown) == "held-0042"
    assert MAIL not in _name(MAIL, shown)
