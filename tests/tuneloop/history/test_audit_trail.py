from __future__ import annotations

import stat

import pytest

from tuneloop.errors import DataError
from tuneloop.history.audit_trail import START, AuditTrail

KEY = b"k" * 32


@pytest.fixture
def trail(tmp_path):
    found = AuditTrail(tmp_path, "desk", KEY)
    with found.held():
        for version in ("1", "2", "3"):
            found.append(
                action="promote", step="done", who="ada", because="good", from_version=None, to_version=version,
                previous_version=None, model_hash="h", verdict_sha256="v", intent=1,
            )  # fmt: skip
    return found


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
        "line 2 does not follow the line before: one was taken out, put in or moved"
    ]


def test_lines_in_another_order_show(trail):
    rewrite(trail, lambda lines: [lines[1], lines[0], lines[2]])
    assert len(trail.faults(trail.entries())) == 3


def test_lines_cut_off_at_the_end_show_by_what_the_registry_keeps(trail):
    anchor = trail.entries()[-1].seal
    rewrite(trail, lambda lines: lines[:-1])
    assert trail.faults(trail.entries()) == []
    assert trail.faults(trail.entries(), anchors=[anchor]) == [
        "1 changes that the registry knows of are missing from the trail"
    ]


def test_a_trail_that_was_sealed_with_another_key_shows(trail, tmp_path):
    assert len(AuditTrail(tmp_path, "desk", b"x" * 32).faults(trail.entries())) == 3


def test_a_line_that_is_no_entry_is_an_error_with_advice(trail):
    rewrite(trail, lambda lines: [lines[0], "{}\n", lines[2]])
    with pytest.raises(DataError, match=r"line 2 of the audit trail .* backup"):
        trail.entries()


def test_there_is_an_empty_trail_before_the_first_promotion(tmp_path):
    assert AuditTrail(tmp_path, "new", KEY).entries() == []
