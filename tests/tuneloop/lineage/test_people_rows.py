from __future__ import annotations

from pathlib import Path

from tests.tuneloop.lineage.lineage_examples import corrected, record, write_version
from tuneloop.lineage.people_rows import people_rows
from tuneloop.records import Rejection
from tuneloop.results import Origin

REVIEWS = {"feedback": ["reviews", "traffic"]}


def gone(source: str, name: str, reason: str) -> Rejection:
    return Rejection(source, 1, name, reason, "detail", raw="{}")


def test_peoples_rows_are_counted_by_what_the_checks_made_of_them(tmp_path: Path) -> None:
    mended = record("r3", extra={"reviewer": "reviewer-a", "mended": True})
    sources = [Origin(name=name, path="x", rows=rows) for name, rows in (("desk", 50), ("reviews", 7), ("traffic", 3))]
    quarantine = [
        gone("reviews", "review/desk-round-1/i1", "personal_data"),
        gone("reviews", "review/desk-round-1/i2", "personal_data"),
        gone("traffic", "anna@example.org", "leakage"),
        gone("desk", "r7", "withdrawn_by_reviewer"),
        gone("desk", "r8", "near_copy"),
    ]
    rows = [("train", mended), ("train", corrected()), ("test", record("r2", 2))]
    version = write_version(tmp_path, rows, quarantine, sources=sources, config=REVIEWS)
    found = people_rows(tmp_path, "desk")
    assert found is not None
    assert (found.version, found.came, found.withdrawn, found.mended) == (version, 10, 1, 1)
    assert found.reasons == {"personal_data": 2, "leakage": 1}
    names = ("review/desk-round-1/i1", "review/desk-round-1/i2")
    assert found.rows == [(name, "personal_data") for name in names], "ids that others gave may say anything"


def test_the_newest_version_of_the_recipe_counts(tmp_path: Path) -> None:
    write_version(tmp_path, [("train", record("r1")), ("test", record("r2", 2))], config=REVIEWS)
    newest = write_version(tmp_path, [("train", record("r3")), ("test", record("r2", 2))], config=REVIEWS)
    write_version(tmp_path, [("train", record("r4")), ("test", record("r2", 2))], config=REVIEWS, recipe="other")
    found = people_rows(tmp_path, "desk")
    assert found is not None
    assert found.version == newest


def test_before_the_first_version_there_is_nothing_to_tell(tmp_path: Path) -> None:
    assert people_rows(tmp_path, "desk") is None
    folder = tmp_path / "data" / "damaged"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    assert people_rows(tmp_path, "desk") is None
