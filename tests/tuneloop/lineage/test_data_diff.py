from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.reports.data_examples import make_manifest, make_slice
from tuneloop.lineage.data_diff import Change, change_rows, content_of, contents, diff, split_changes
from tuneloop.records import Message, Record

SPLITS = ("train", "validation", "test")
OLD, NEW = make_manifest("old"), make_manifest("new", parents=["old"])
ROWS = {"train": {"a": "1", "b": "2"}, "validation": {"c": "3"}, "test": {"d": "4"}}


def record(answer: str = "Yes.", line: int = 1, **changes) -> Record:
    return Record("r", (Message("user", "Open?"), Message("assistant", answer)), "desk", line, **changes)


def test_equal_versions_differ_in_nothing():
    found = diff(OLD, NEW, ROWS, ROWS)
    assert found.is_empty
    assert [s.same for s in found.splits.values()] == [2, 1, 1]


def test_rows_are_added_removed_and_changed_in_their_own_split():
    found = diff(OLD, NEW, ROWS, ROWS | {"train": {"a": "1x", "e": "5"}})
    train = found.splits["train"]
    assert (train.added_ids, train.removed_ids, train.changed_ids, train.same) == (["e"], ["b"], ["a"], 0)
    assert (found.splits["test"].same, found.is_empty, found.moved) == (1, False, [])


def test_a_row_in_another_split_is_a_move_and_not_one_added_and_one_removed():
    found = diff(OLD, NEW, ROWS, {"train": {"a": "1", "b": "2", "d": "4"}, "validation": {"c": "3"}, "test": {}})
    assert [(m.id, m.old, m.new) for m in found.moved] == [("d", "test", "train")]
    assert [(s["added"], s["removed"]) for s in split_changes(found)] == [(0, 0)] * 3
    assert not found.is_empty


def test_a_split_that_one_version_lacks_counts_as_empty():
    found = diff(OLD, NEW, {"train": {"a": "1"}}, {"test": {"b": "2"}})
    assert (found.splits["train"].removed, found.splits["test"].added) == (1, 1)


def test_only_a_few_ids_are_kept_but_all_are_counted():
    found = diff(OLD, NEW, {}, {"train": {f"r{n:03}": "" for n in range(50)}})
    assert (found.splits["train"].added, len(found.splits["train"].added_ids)) == (50, 10)


@given(
    old=st.dictionaries(st.integers(0, 20).map(str), st.sampled_from(SPLITS)),
    new=st.dictionaries(st.integers(0, 20).map(str), st.sampled_from(SPLITS)),
)
def test_every_row_of_both_versions_is_accounted_for_once(old, new):
    def by_split(rows):
        return {s: {i: "same" for i, place in rows.items() if place == s} for s in SPLITS}

    found = diff(OLD, NEW, by_split(old), by_split(new))
    splits = found.splits.values()
    assert sum(s.removed + s.changed + s.same for s in splits) + len(found.moved) == len(old)
    assert sum(s.added + s.changed + s.same for s in splits) + len(found.moved) == len(new)


def test_reasons_counts_slices_and_sources_show_then_and_now():
    changed = NEW.model_copy(
        update={
            "reasons": {"near_copy": 61, "leakage": 10, "personal_data": 60, "outdated": 9},
            "rows_in": 1300,
            "slices": [make_slice(rows=450)],
        }
    )
    found = diff(OLD, changed, ROWS, ROWS)
    assert found.counts == {"rows in": Change(old=1234, new=1300)}
    assert found.reasons["near_copy"] == Change(old=60, new=61)
    assert found.reasons["broken_json"] == Change(old=4, new=None)
    assert found.slices["label:category = billing"] == Change(old=400, new=450)
    assert found.sources == {}


def test_the_largest_difference_is_told_first():
    changes = {"small": Change(old=1, new=2), "word": Change(old="a", new="b"), "large": Change(old=None, new=9)}
    assert [(r["what"], r["difference"]) for r in change_rows(changes)] == [("large", 9), ("small", 1), ("word", None)]


def test_settings_are_told_by_their_full_name_and_sources_by_theirs():
    sources = [{"name": "faq", "path": "f.csv"}, {"name": "desk", "path": "other.jsonl"}]
    config = {"data": {"sources": sources, "checks": {"languages": ["en", "de"]}}, "max_tokens": 512}
    found = diff(OLD, NEW.model_copy(update={"config": config}), ROWS, ROWS)
    assert found.config == {
        "data.sources.desk.path": Change(old="desk.jsonl", new="other.jsonl"),
        "data.sources.faq.name": Change(old=None, new="faq"),
        "data.sources.faq.path": Change(old=None, new="f.csv"),
        "data.checks.languages": Change(old=["en"], new=["en", "de"]),
    }


def test_a_row_that_only_stands_on_another_line_has_not_changed():
    assert content_of(record(line=1)) == content_of(record(line=2, created_at="2026-01-01"))
    assert content_of(record()) != content_of(record("No."))
    assert content_of(record()) != content_of(record(rejected="No."))
    assert contents([record()]) == {"r": content_of(record())}
