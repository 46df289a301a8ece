"""What is old goes, and what something current rests on stays at any age."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
import typer
from typer.testing import CliRunner

from tests.tuneloop.lineage.lineage_examples import SECRET, hash_of, make_workspace, record, write_lines, write_version
from tuneloop.cli import data_commands
from tuneloop.cli.app import PlainErrors
from tuneloop.data.snapshots import list_manifests, read_quarantine
from tuneloop.errors import DataError
from tuneloop.records import Rejection
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.workflows.pruning import carry_out, plan

LATER = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path):
    make_workspace(tmp_path)
    return tmp_path


def promoted(workspace, version, previous=None):
    trail = AuditTrail(workspace, "desk", signing_key(workspace))
    with trail.held():
        trail.append(action="promote", step="done", who="gate", because="", from_version=previous, to_version=version,
                     previous_version=previous, model_hash="a", verdict_sha256=None)  # fmt: skip


def pruned(workspace, *, keep=1, older_than=timedelta(days=1)):
    found = plan(workspace, older_than=older_than, keep=keep, hash_of=hash_of, now=LATER)
    for _ in carry_out(found):
        pass
    return found


def versions(workspace):
    return [m.version for m in list_manifests(workspace)]


def test_a_version_that_nothing_rests_on_goes(workspace):
    loose = write_version(workspace, [("train", record("r9"))], recipe="desk")
    write_version(workspace, [("train", record("r10"))], recipe="desk")
    promoted(workspace, "13")

    found = pruned(workspace)

    assert loose not in versions(workspace)
    assert loose in {r.path.name for r in found.removals}
    assert not list((workspace / "data").glob(f".*{loose}"))


def test_the_champions_version_and_the_one_that_a_rollback_returns_to_stay_and_it_is_said_why(workspace):
    first, second = versions(workspace)
    for row in ("r9", "r10"):
        write_version(workspace, [("train", record(row))], recipe="desk")
    promoted(workspace, "12", previous="11")

    kept = pruned(workspace).kept

    assert {first, second} <= set(versions(workspace))
    assert "rollback" in kept[f"data/{first}"]
    assert "champion" in kept[f"data/{second}"]


def test_without_an_audit_trail_no_registered_models_version_goes(workspace):
    write_version(workspace, [("train", record("r9"))], recipe="desk")
    assert "no audit trail" in pruned(workspace).kept[f"data/{versions(workspace)[0]}"]


def test_young_versions_stay(workspace):
    before = versions(workspace)
    assert pruned(workspace, older_than=timedelta(days=365 * 50)).removals == []
    assert versions(workspace) == before


def test_rows_that_a_review_set_still_asks_about_stay(workspace):
    asked = write_version(workspace, [("train", record("r9"))], recipe="desk")
    write_version(workspace, [("train", record("r10"))], recipe="desk")
    write_lines(workspace / "feedback/desk/sets" / f"desk-data-{asked[:8]}.jsonl", [{"name": "x"}, {"id": "i1"}])

    assert "not answered" in pruned(workspace).kept[f"data/{asked}"]

    answer = {"review_set": f"desk-data-{asked[:8]}", "item_id": "i1"}
    write_lines(workspace / "feedback/desk/responses.jsonl", [answer])
    pruned(workspace)
    assert asked not in versions(workspace)


def test_a_round_that_cannot_be_read_stops_everything(workspace):
    (workspace / "rounds/desk/0009.json").write_text("{")
    with pytest.raises(DataError, match="nothing is removed"):
        pruned(workspace)


def test_old_quarantines_of_versions_that_stay_lose_their_texts_and_keep_their_reasons(workspace):
    first = versions(workspace)[0]

    pruned(workspace)

    (gone,) = read_quarantine(workspace / "data" / first)
    assert gone == Rejection("desk", 7, "r7", "near_copy", "near_copy: r1", related="r1", raw=None)
    assert SECRET not in (workspace / "data" / first / "quarantine.jsonl").read_text()


def test_old_traffic_goes_but_for_answers_that_are_not_collected_yet(workspace):
    row = {"prompt": SECRET, "answer": "a", "model": "m", "time": "2026-11-01T10:00:00+00:00"}
    young, undated = {"id": "young", "time": "2039-12-31T23:00:00+00:00"}, {"id": "undated", "time": "?"}
    others = ({"id": "old"}, {"id": "sent", "sent": "b"}, {"id": "done", "sent": "b"}, young, undated)
    rows = [row | other for other in others]
    write_lines(workspace / "traffic/desk.jsonl", rows)
    write_lines(workspace / "feedback/desk/accepted.jsonl", [{"id": "traffic/done"}])

    found = pruned(workspace)

    left = [json.loads(line)["id"] for line in (workspace / "traffic/desk.jsonl").read_text().splitlines()]
    assert left == ["sent", "young", "undated"]
    assert "not collected" in found.kept["traffic/desk.jsonl: row sent"]


def test_caches_and_what_failed_trainings_left_go_and_finished_ones_stay(workspace):
    write_lines(workspace / "generations/a.jsonl", [{"text": SECRET}])
    failed, finished = workspace / "models/desk/failed", workspace / "models/desk/finished"
    for folder in (failed / "checkpoint-1", finished):
        folder.mkdir(parents=True)
    (failed / "checkpoint-1/state.bin").write_bytes(b"x" * 2048)
    (finished / "report.json").write_text("{}")

    found = pruned(workspace)

    assert not (workspace / "generations/a.jsonl").exists()
    assert not failed.exists()
    assert finished.exists()
    assert (workspace / "models/desk/key-1/adapter").exists()
    assert found.bytes > 2048


def test_a_training_at_work_is_left_alone(workspace):
    (workspace / "models/desk/now").mkdir()
    (workspace / "models/desk/now/step").write_text("1")
    os.utime(workspace / "models/desk/now/step", (LATER.timestamp(), LATER.timestamp()))

    assert "models/desk/now" in pruned(workspace).kept


def run(workspace, *arguments):
    app = typer.Typer(cls=PlainErrors)
    data_commands.register(app)
    return CliRunner().invoke(app, ["data", "prune", *arguments], env={"TUNELOOP_WORKSPACE": str(workspace)})


def test_a_dry_run_lists_and_changes_nothing(workspace):
    write_lines(workspace / "generations/a.jsonl", [{"text": SECRET}])
    os.utime(workspace / "generations/a.jsonl", (0, 0))

    result = run(workspace, "--dry-run")

    assert result.exit_code == 0, result.output
    assert "cache: generations/a.jsonl" in result.output
    assert (workspace / "generations/a.jsonl").exists()


def test_without_a_yes_nothing_goes_and_the_exit_code_says_so(workspace):
    write_lines(workspace / "generations/a.jsonl", [{"text": SECRET}])
    os.utime(workspace / "generations/a.jsonl", (0, 0))
    assert run(workspace).exit_code == 1
    assert (workspace / "generations/a.jsonl").exists()
    assert run(workspace, "--yes").exit_code == 0
    assert not (workspace / "generations/a.jsonl").exists()


@pytest.mark.parametrize("text", ["", "90", "d", "-3d", "9999999d", "3y"])
def test_what_is_no_age_is_refused(workspace, text):
    result = run(workspace, "--older-than", text, "--dry-run")
    assert result.exit_code == 1
    assert "90d" in result.output
