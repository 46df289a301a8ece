"""After `forget` nothing in the workspace holds the words any more, and all that reads it still works."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.workflows.forgetting.forgetter import forget, look, names
from tests.tuneloop.workflows.forgetting.planted import MARKERS, OTHER, USER, prepare
from tests.tuneloop.workflows.forgetting.walker import found_in
from tuneloop.adapters.argilla.teams import pseudonym
from tuneloop.adapters.file_backend import FileBackend
from tuneloop.data.snapshots import list_manifests, read_quarantine
from tuneloop.errors import DataError
from tuneloop.lineage.tracing import trace_row
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.known_rounds import known_rounds
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.reports.data.tables import problems
from tuneloop.row_files import load_rows
from tuneloop.workflows.forgetting import carry_out

pytestmark = pytest.mark.integration


def state_of(workspace: Path) -> dict[str, bytes]:
    """Every file but the key of the tombstones, which the first look makes."""
    files = (p for p in sorted(workspace.rglob("*")) if p.is_file() and not p.name.endswith(("-shm", "-wal")))
    return {str(p.relative_to(workspace)): p.read_bytes() for p in files if p.name != "forgotten.key"}


def test_every_kind_of_words_is_gone_from_everything_that_can_be_decoded(root: Path) -> None:
    workspace = root / "ws"
    for kind, marker in MARKERS.items():
        assert found_in(workspace, marker), f"{kind} was not planted"

    for kind, marker in MARKERS.items():
        forget(root, marker.swapcase() if marker.isascii() else marker)

        assert found_in(workspace, marker) == [], kind

    assert [found_in(workspace, marker) for marker in MARKERS.values()] == [[]] * len(MARKERS)
    assert found_in(workspace, OTHER), "somebody else's words went too"
    assert all(problems(m) == [] for m in list_manifests(workspace))


def test_every_file_of_a_workspace_is_a_place_that_is_declared(root: Path) -> None:
    found = look(root, MARKERS["prompt"])

    assert (found.undeclared, found.unreadable) == ([], [])


def test_a_file_of_unknown_kind_is_found_and_named_as_one_that_cannot_be_erased(root: Path) -> None:
    (root / "ws" / "notes.odt").write_bytes(b"\x00\xff" + MARKERS["prompt"].encode())

    found = look(root, MARKERS["prompt"])

    assert found.unreadable == ["notes.odt"]
    with pytest.raises(DataError, match=r"notes\.odt"):
        carry_out(found, names(root / "ws"), by="tester", because="")


def test_a_users_own_source_in_the_workspace_loses_its_rows(root: Path) -> None:
    file = root / "ws" / "mine.jsonl"
    file.write_text(json.dumps({"q": MARKERS["prompt"]}) + "\n" + json.dumps({"q": "kept"}) + "\n")

    forget(root, MARKERS["prompt"])

    assert file.read_text() == '{"q": "kept"}\n'


def test_looking_changes_nothing(root: Path) -> None:
    look(root, "somebody else")
    before = state_of(root / "ws")

    found = look(root, MARKERS["traffic prompt"])

    assert found.counts["traffic"] == 1
    assert found.counts["the review server's database"] == 1
    assert state_of(root / "ws") == before


def test_forgetting_twice_finds_nothing_the_second_time(root: Path) -> None:
    forget(root, MARKERS["correction"])
    before = state_of(root / "ws")

    assert look(root, MARKERS["correction"]).is_nothing
    assert state_of(root / "ws") == before


def test_forgotten_rows_are_set_aside_when_the_source_brings_them_again(root: Path) -> None:
    found = forget(root, MARKERS["prompt"])
    assert [(s.name, s.rows) for s in found.outside] == [(MARKERS["source"], 1)]

    report = prepare(root)

    assert report.reasons["forgotten"] == 1
    gone = [r for r in read_quarantine(Path(report.folder)) if r.reason == "forgotten"]
    assert [(r.record_id, r.raw, r.line) for r in gone] == [(None, None, 61)]
    assert found_in(root / "ws", MARKERS["prompt"]) == []


def test_a_row_is_forgotten_by_its_id_with_its_words_wherever_they_stand(root: Path) -> None:
    workspace = root / "ws"
    words = "Where is KUMQUAT-BRÜCKE ONE on the map of the city?"
    assert found_in(workspace, words)

    found = forget(root, "p1")

    assert set(found.gathered.versions) == {m.version for m in list_manifests(workspace)}
    assert found_in(workspace, words) == []
    assert prepare(root).reasons["forgotten"] == 1
    assert look(root, "p1").is_nothing


def test_a_version_keeps_its_name_and_its_place_and_says_what_was_forgotten(root: Path) -> None:
    workspace = root / "ws"
    before = list_manifests(workspace)

    forget(root, MARKERS["prompt"])

    after = list_manifests(workspace)
    assert [m.version for m in after] == [m.version for m in before]
    assert [m.forgotten.total for m in after if m.forgotten] == [1, 1]
    for manifest in after:
        rows = {s: len(load_rows(workspace / "data" / manifest.version / f"{s}.parquet")) for s in ("train", "test")}
        assert rows == {s: manifest.rows[s] for s in ("train", "test")}


def test_models_that_saw_the_rows_are_named_and_the_champion_first_of_all(root: Path) -> None:
    found = look(root, MARKERS["sent draft"])

    assert [(m.name, m.splits, m.is_champion) for m in found.models] == [("shop round 2", ("train",), False)]
    both = look(root, MARKERS["prompt"]).models
    assert [(m.name, m.is_champion) for m in both] == [("shop round 1", True), ("shop round 2", False)]
    assert "in production" in both[0].advice


def test_a_reviewers_answers_stay_and_the_account_is_closed(root: Path) -> None:
    workspace = root / "ws"
    backend = FileBackend(workspace / "review-files" / "shop", pseudonym_key=pseudonym_key(workspace))
    said = backend.answers("shop-")

    forget(root, MARKERS["reviewer"])

    assert backend.answers("shop-") == said
    name = pseudonym(pseudonym_key(workspace), "11111111-1111-1111-1111-111111111111")
    with closing(sqlite3.connect(workspace / "argilla" / "argilla.db")) as base:
        account = base.execute("SELECT username, first_name, last_name, api_key FROM users WHERE id = ?", [USER])
        username, first, last, key = account.fetchone()
        assert base.execute("SELECT count(*) FROM responses").fetchone() == (5,)
    assert (username, first, last) == (name, name, None)
    assert key != "k" * 20
    trail = AuditTrail(workspace, "shop", signing_key(workspace))
    assert {entry.who for entry in trail.entries()} == {name}


def test_a_pseudonym_stands_for_the_name_of_its_account(root: Path) -> None:
    name = pseudonym(pseudonym_key(root / "ws"), "11111111-1111-1111-1111-111111111111")

    forget(root, name)

    assert found_in(root / "ws", MARKERS["reviewer"]) == []


def test_a_trail_that_lost_a_name_still_holds_together_with_the_registry(root: Path) -> None:
    workspace = root / "ws"
    forget(root, MARKERS["reviewer"])

    with closing(sqlite3.connect(workspace / "mlflow" / "mlflow.db")) as base:
        anchors = [v for (v,) in base.execute("SELECT value FROM model_version_tags WHERE key = 'promotion_seal'")]
    trail = AuditTrail(workspace, "shop", signing_key(workspace))
    assert trail.faults(trail.entries(), anchors=anchors) == []


def test_tombstones_hold_nothing_that_a_guess_could_be_tested_with(root: Path) -> None:
    from tuneloop.records import content_hash
    from tuneloop.review.review_sets import prompt_hash

    forget(root, "p1")
    text = (root / "ws" / "forgotten.jsonl").read_text()
    words = "Where is KUMQUAT-BRÜCKE ONE on the map of the city?"

    assert "p1" not in json.dumps([json.loads(line).get("mark") for line in text.splitlines()])
    for guess in (words, prompt_hash(words), content_hash(words), content_hash("p1")[:16]):
        assert guess not in text


@pytest.mark.parametrize("short", ["", "ann", "  x  "])
def test_too_short_a_text_is_refused(root: Path, short: str) -> None:
    with pytest.raises(DataError, match="at least 4"):
        look(root, short)


def test_lineage_finds_rows_that_were_set_aside_in_versions_and_in_data_that_was_refused(root: Path) -> None:
    workspace = root / "ws"
    found = trace_row(workspace, "p5", known_rounds(workspace))

    where: dict[str, Any] = {trace.version: [row.reason for row in trace.rows] for trace in found.found}
    assert where.pop("none (blocked-shop.jsonl)") == ["personal_data"]
    assert list(where.values()) == [["personal_data"]] * 2
