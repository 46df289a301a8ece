"""Promotions that are killed by SIGKILL wherever something is written, and promotions at the same time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tuneloop.files import file_digests
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.champion import examine
from tuneloop.registry.promotions import anchors, roll_back
from tuneloop.registry.repairs import repair_from_trail
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import Round

STAGES = ("hash", "champion", "champion!", "previous", "previous!", "candidate", "candidate!", "tags", "tags!")
AFTER_IT_TOOK_EFFECT = STAGES[2:]
processes = multiprocessing.get_context("fork")


def dying_digests(folder: Path) -> dict[str, str]:
    os.kill(os.getpid(), signal.SIGKILL)
    return file_digests(folder)


def act_and_die(workspace: Path, stage: str, round_: Round | None) -> None:
    backend = RecordingBackend(workspace, killed_at=stage)
    reading = dying_digests if stage == "hash" else file_digests
    if round_ is None:
        roll_back(
            backend.registry, workspace, recipe=RECIPE, because="bad", person="ada", hash_of=hash_of,
            digests_of=reading,
        )  # fmt: skip
    elif stage == "hash":
        from tuneloop.registry.promotions import promote

        promote(
            backend.registry, workspace, recipe=RECIPE, version=str(round_.number), round_=round_,
            because="good", person=None, hash_of=hash_of, digests_of=reading,
        )  # fmt: skip
    else:
        backend.promote(round_)


def killed(workspace: Path, stage: str, round_: Round | None) -> int | None:
    process = processes.Process(target=act_and_die, args=(workspace, stage, round_))
    process.start()
    process.join(60)
    return process.exitcode


def steps(backend: RecordingBackend) -> list[str]:
    """Of the trail, which must hold together."""
    trail = AuditTrail(backend.workspace, RECIPE, backend.key)
    entries = trail.entries()
    assert trail.faults(entries, anchors=anchors(backend.registry.versions(RECIPE))) == []
    return [e.step for e in entries]


@pytest.fixture
def backend(tmp_path):
    found = RecordingBackend(tmp_path)
    found.promote(found.judged(1))
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_promotion_killed_at_any_stage_is_whole_after_the_next(backend, stage):
    second = backend.judged(2, against="hash-1")
    assert killed(backend.workspace, stage, second) == -signal.SIGKILL
    took_effect = backend.registry.aliases()["champion"] == "2"
    assert took_effect == (stage in AFTER_IT_TOOK_EFFECT)
    backend.promote(second)
    assert backend.registry.aliases() == {"champion": "2", "previous": "1"}
    given_up = ["intent", "abandoned"] if stage == "champion" else []
    assert steps(backend) == ["intent", "done", *given_up, "intent", "done"]


@pytest.mark.parametrize("stage", ["hash", "champion", "champion!", "previous!", "tags!"])
def test_a_rollback_killed_at_any_stage_goes_back_one_champion_and_not_two(backend, stage):
    backend.promote(backend.judged(2, against="hash-1"))
    backend.promote(backend.judged(3, against="hash-2"))
    assert killed(backend.workspace, stage, None) == -signal.SIGKILL
    roll_back(
        backend.registry, backend.workspace, recipe=RECIPE, because="bad", person="ada", hash_of=hash_of
    )  # fmt: skip
    assert backend.registry.aliases() == {"champion": "2", "previous": "1"}
    assert steps(backend)[-2:] == ["intent", "done"]


def test_a_line_that_was_cut_off_while_it_was_written_was_never_written(backend):
    file = AuditTrail(backend.workspace, RECIPE, backend.key).file
    with file.open("ab") as stream:
        stream.write(b'{"number":3,"at":"2026')
    assert steps(backend) == ["intent", "done"]
    backend.promote(backend.judged(2, against="hash-1"))
    assert steps(backend) == ["intent", "done", "intent", "done"]
    assert file.read_bytes().endswith(b"}\n")


def test_lines_that_were_written_before_a_kill_and_not_counted_are_counted_by_the_next(backend):
    trail = AuditTrail(backend.workspace, RECIPE, backend.key)
    second, counted = backend.judged(2, against="hash-1"), trail.head_file.read_bytes()
    backend.promote(second)
    newest = trail.head_file.read_bytes()
    trail.head_file.write_bytes(counted)
    assert steps(backend) == ["intent", "done", "intent", "done"]
    backend.promote(second)
    assert trail.head_file.read_bytes() == newest


def test_a_trail_of_one_line_whose_count_was_not_written_is_whole(tmp_path):
    backend, trail = RecordingBackend(tmp_path), AuditTrail(tmp_path, RECIPE, signing_key(tmp_path))
    round_ = backend.judged(1)
    empty = trail.head_file.read_bytes()
    backend.promote(round_)
    trail.head_file.write_bytes(empty)
    assert steps(backend) == ["intent", "done"]


def test_promotions_at_the_same_time_leave_one_champion_and_the_one_before_it(backend):
    rounds = [backend.judged(number) for number in range(2, 6)]
    people = [
        processes.Process(target=RecordingBackend(backend.workspace).promote, args=(round_, f"person-{round_.number}"))
        for round_ in rounds
    ]
    for process in people:
        process.start()
    for process in people:
        process.join(60)
    assert [p.exitcode for p in people] == [0, 0, 0, 0]
    assert steps(backend) == ["intent", "done"] * 5
    entries = AuditTrail(backend.workspace, RECIPE, backend.key).entries()
    assert [e.from_version for e in entries[2::2]] == [e.to_version for e in entries[:-2:2]]
    champion, previous = entries[-1].to_version, entries[-1].from_version
    assert backend.registry.aliases() == {"champion": champion, "previous": previous}


def repair_and_die(workspace: Path, stage: str) -> None:
    repair_from_trail(
        RecordingBackend(workspace, killed_at=stage).registry, workspace, recipe=RECIPE, because="moved", person="ada",
        hash_of=hash_of,
    )  # fmt: skip


@pytest.mark.parametrize("stage", ["champion", "champion!", "previous", "previous!", "tags", "tags!"])
@pytest.mark.parametrize("deleted", [False, True])
def test_a_repair_killed_at_any_stage_is_whole_after_the_next(backend, stage, deleted):
    backend.promote(backend.judged(2, against="hash-1"))
    backend.judged(3)
    if deleted:
        backend.registry.delete("2")
    backend.registry.set_alias(RECIPE, "champion", "3")
    process = processes.Process(target=repair_and_die, args=(backend.workspace, stage))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    repair_from_trail(
        backend.registry, backend.workspace, recipe=RECIPE, because="moved", person="ada", hash_of=hash_of
    )  # fmt: skip
    found = examine(backend.registry, backend.workspace, recipe=RECIPE, hash_of=hash_of)
    assert (found.faults, found.champion.model_hash) == ([], "hash-2")
    assert len(backend.registry.versions(RECIPE)) == 3
    assert backend.registry.aliases() == {
        "champion": found.champion.to_version, "previous": "1", "candidate": "3",
    }  # fmt: skip
