from __future__ import annotations

import hashlib
import hmac
import stat

import pytest

from tuneloop.errors import DataError
from tuneloop.registry.audit_trail import START, AuditTrail

KEY = b"k" * 32
NEW_FIELDS = {"served_hash", "folders_sha256", "round", "format"}
"""Of lines; older releases wrote none of them."""


@pytest.fixture
def trail(tmp_path):
    found = AuditTrail(tmp_path, "desk", KEY)
    with found.held():
        for version in ("1", "2", "3"):
            append(found, version)
    return found


def append(trail, version):
    trail.append(
        action="promote", step="done", who="ada", because="good", from_version=None, to_version=version,
        previous_version=None, model_hash="h", verdict_sha256="v", intent=1,
    )  # fmt: skip


def as_an_older_release_wrote(trail):
    """The same lines without the fields of today, sealed as they were then."""
    before = START
    for entry in trail.entries():
        plain = entry.model_copy(update={"format": None, "before": before})
        content = plain.model_dump_json(exclude={"seal"}, exclude_none=True)
        before = hmac.new(KEY, content.encode(), hashlib.sha256).hexdigest()
        yield plain.model_copy(update={"seal": before})


def rewrite(trail, change):
    lines = trail.file.read_text().splitlines(keepends=True)
    trail.file.write_text("".join(change(lines)))


def test_each_line_holds_the_seal_of_the_line_before(trail):
    entries = trail.entries()
    assert [e.before for e in entries] == [START, entries[0].seal, entries[1].seal]
    assert trail.faults(entries) == []


def test_the_trail_is_for_its_owner_alone(trail):
    assert stat.S_IMODE(trail.file.stat().st_mode) == 0o600


def test_a_changed_line_shows(trail):
    rewrite(trail, lambda lines: [lines[0], lines[1].replace("ada", "eve"), lines[2]])
    assert trail.faults(trail.entries()) == ["line 2 was changed after it was written, or sealed with another key"]


def test_a_line_taken_out_shows(trail):
    rewrite(trail, lambda lines: [lines[0], lines[2]])
    assert trail.faults(trail.entries()) == [
        "line 2 does not follow the line before: one was taken out, put in or moved",
        "1 of 3 lines are missing at the end",
    ]


def test_lines_in_another_order_show(trail):
    rewrite(trail, lambda lines: [lines[1], lines[0], lines[2]])
    assert [fault[:6] for fault in trail.faults(trail.entries())] == ["line 1", "line 2", "line 3"]


def test_lines_cut_off_at_the_end_show_by_the_sealed_count(trail):
    rewrite(trail, lambda lines: lines[:-1])
    assert trail.faults(trail.entries()) == ["1 of 3 lines are missing at the end"]
    trail.file.unlink()
    assert trail.faults(trail.entries()) == ["3 of 3 lines are missing at the end"]


def test_half_a_last_line_that_had_been_counted_shows(trail):
    trail.file.write_bytes(trail.file.read_bytes()[:-20])
    assert trail.faults(trail.entries()) == ["1 of 3 lines are missing at the end"]


def test_an_older_copy_of_trail_and_count_shows_by_what_the_registry_keeps(trail):
    older = trail.file.read_bytes(), trail.head_file.read_bytes()
    append(trail, "4")
    anchor = trail.entries()[-1].seal
    trail.file.write_bytes(older[0])
    trail.head_file.write_bytes(older[1])
    assert trail.faults(trail.entries()) == []
    assert trail.faults(trail.entries(), anchors=[anchor]) == [
        "1 changes that the registry knows of are missing from the trail"
    ]


def test_a_count_that_is_gone_changed_or_another_recipes_shows_and_stays_so(trail, tmp_path):
    whole, other = trail.head_file.read_text(), AuditTrail(tmp_path, "other", KEY)
    with other.held():
        append(other, "1")
    for content in (None, whole.replace('"lines":3', '"lines":2'), "{", other.head_file.read_text()):
        trail.head_file.unlink() if content is None else trail.head_file.write_text(content)
        with trail.held():
            pass
        (fault,) = trail.faults(trail.entries())
        assert fault.startswith("desk.head, which says how many lines there are, ")
        append(trail, "4")
        assert trail.faults(trail.entries()) == [fault]


def test_another_recipes_trail_under_this_name_shows(trail, tmp_path):
    other = AuditTrail(tmp_path, "other", KEY)
    with other.held():
        append(other, "1")
    other.file.rename(trail.file)
    assert "line 1 was changed after it was written, or sealed with another key" in trail.faults(trail.entries())


def test_a_trail_from_before_there_was_a_count_is_whole_and_gets_one_with_a_notice(trail, caplog):
    old = list(as_an_older_release_wrote(trail))
    trail.file.write_text("".join(entry.model_dump_json(exclude=NEW_FIELDS) + "\n" for entry in old))
    trail.head_file.unlink()
    assert trail.faults(trail.entries()) == []
    with trail.held():
        pass
    assert "was written before its length was sealed" in caplog.text
    rewrite(trail, lambda lines: lines[:-1])
    assert trail.faults(trail.entries()) == ["1 of 3 lines are missing at the end"]


def test_a_trail_that_is_set_aside_makes_room_for_a_new_one_and_is_kept(trail):
    rewrite(trail, lambda lines: lines[:-1])
    moved = trail.set_aside()
    assert [path.suffix for path in moved] == [".jsonl", ".head"]
    assert trail.others() == moved[:1]
    append(trail, "1")
    assert [e.number for e in trail.entries()] == [1]
    assert trail.faults(trail.entries()) == []


def test_a_trail_that_was_sealed_with_another_key_shows(trail, tmp_path):
    assert len(AuditTrail(tmp_path, "desk", b"x" * 32).faults(trail.entries())) == 4


def test_a_line_that_is_no_entry_is_an_error_with_advice(trail):
    rewrite(trail, lambda lines: [lines[0], "{}\n", lines[2]])
    with pytest.raises(DataError, match=r"line 2 of the audit trail .* backup"):
        trail.entries()


def test_there_is_an_empty_trail_before_the_first_promotion(tmp_path):
    assert AuditTrail(tmp_path, "new", KEY).entries() == []


def without_ada(content):
    return {**content, "who": "(forgotten)"}


def test_a_trail_from_which_a_word_was_taken_is_whole_again(trail):
    with trail.held():
        trail.reseal(without_ada)
    assert trail.faults(trail.entries()) == []
    assert {e.who for e in trail.entries()} == {"(forgotten)"}
    with trail.held():
        append(trail, "4")
    assert trail.faults(trail.entries()) == []


def test_a_kill_on_either_side_of_the_new_lines_leaves_a_whole_trail(trail):
    """The head says beforehand what the last line becomes."""
    old, head = trail.file.read_bytes(), trail.head_file.read_bytes()
    _, seals = trail.resealed(without_ada)
    with trail.held():
        trail.reseal(without_ada)
    new = trail.file.read_bytes()
    trail.head_file.write_bytes(head)
    trail._write_head(trail._head().model_copy(update={"becoming": list(seals.values())[-1]}))
    for lines in (old, new):
        trail.file.write_bytes(lines)
        assert trail.faults(trail.entries()) == []
    with trail.held():
        assert trail._head().becoming is None
    assert trail.faults(trail.entries()) == []


def test_taking_a_word_out_does_not_hide_that_a_line_was_changed(trail):
    rewrite(trail, lambda lines: [lines[0], lines[1].replace('"2"', '"9"'), lines[2]])
    found = trail.faults(trail.entries())
    assert found
    with trail.held():
        trail.reseal(without_ada)
    assert set(found) <= set(trail.faults(trail.entries()))
