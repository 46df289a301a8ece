import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.forgotten import without_forgotten
from tuneloop.records import Message, Record, Rejection
from tuneloop.tombstones import Tombstones, add_entries, normalise, read_entries, row_entry, text_entry, tombstone_key

WORDS = "Margaret Okönkwo"


@pytest.fixture
def workspace(tmp_path):
    add_entries(tmp_path, [text_entry(tombstone_key(tmp_path), WORDS)])
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "ask margaret okönkwo about it",
        "ask MARGARET\n\t OKO\u0308NKWO",
        "xMargaret Okönkwox",
        "😀 Margaret Okönkwo",
        WORDS,
    ],
)
def test_a_forgotten_text_is_known_again_however_it_is_written(workspace, text):
    assert Tombstones.of(workspace).hold(text)


@pytest.mark.parametrize("text", ["", "Margaret", "Margaret Okönkw", "Okönkwo Margaret", "margaret okonkwo"])
def test_other_texts_are_not_taken_for_it(workspace, text):
    assert not Tombstones.of(workspace).hold(text)


@given(before=st.text(), after=st.text(), words=st.text(min_size=4).filter(lambda t: len(normalise(t)) >= 4))
def test_a_text_is_found_at_every_place_of_another(tmp_path_factory, before, after, words):
    folder = tmp_path_factory.mktemp("ws")
    add_entries(folder, [text_entry(tombstone_key(folder), words)])
    assert Tombstones.of(folder).hold(f"{before} {words} {after}")


def test_another_workspace_has_other_marks(workspace, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    add_entries(other, [text_entry(tombstone_key(other), WORDS)])
    ours, theirs = (json.loads((w / "forgotten.jsonl").read_text()) for w in (workspace, other))
    assert ours["mark"] != theirs["mark"]
    assert ours["sieve"] != theirs["sieve"]


def test_an_entry_is_kept_once_and_one_that_was_cut_off_never_was(workspace):
    with (workspace / "forgotten.jsonl").open("a") as file:
        file.write('{"kind": "te')
    add_entries(workspace, [text_entry(tombstone_key(workspace), WORDS), row_entry(b"k", "s", "1")])
    assert [entry["kind"] for entry in read_entries(workspace)] == ["text", "row"]


def row(text="hello", **changes):
    return Record("r1", (Message("user", text), Message("assistant", "Hi.")), "desk", 7, **changes)


@pytest.mark.parametrize(
    "held",
    [
        row(f"dear {WORDS}"),
        row(extra={"deep": [{"note": WORDS}]}),
        row(group=WORDS),
        row(rejected=WORDS),
        Rejection("desk", 7, "x", "broken_json", "not JSON", raw=f'{{"prompt": "{WORDS}'),
        Rejection("desk", 7, "x", "empty_field", "prompt", raw=json.dumps({"prompt": "", "note": WORDS})),
    ],
)
def test_a_forgotten_row_leaves_its_place_and_nothing_else(workspace, held):
    (left,) = without_forgotten([held], Tombstones.of(workspace))
    assert isinstance(left, Rejection)
    assert (left.source, left.line, left.record_id, left.reason, left.raw) == ("desk", 7, None, "forgotten", None)


def test_a_row_that_was_forgotten_by_its_id_is_known_by_source_and_id(tmp_path):
    add_entries(tmp_path, [row_entry(tombstone_key(tmp_path), "desk", "r1")])
    known = Tombstones.of(tmp_path)
    other = Record("r1", row().messages, "shop", 7)
    again = Record("r1~2", row().messages, "desk", 9, extra={"given_id": "r1"})
    assert [isinstance(r, Rejection) for r in without_forgotten([row(), other, again], known)] == [True, False, True]


def test_where_nothing_was_forgotten_rows_pass_and_no_key_is_made(tmp_path):
    rows = [row()]
    assert list(without_forgotten(rows, Tombstones.of(tmp_path))) == rows
    assert list(tmp_path.iterdir()) == []
