"""A workspace with two data versions, three rounds, reviews and traffic, for tests of what walks through it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.tuneloop.reports.data_examples import make_manifest
from tests.tuneloop.reports.examples import make_round
from tuneloop.data.snapshots import write_snapshot
from tuneloop.records import Message, Record, Rejection
from tuneloop.registry.rounds import save_round
from tuneloop.results import Round

SECRET = "Ring Anna Berg on 0161 496 0000"
REVIEWER = "reviewer-b8b63ea165ba"
CORRECTED = "review/desk-round-1/item-1"
HASHES = {1: "a" * 64, 2: "b" * 64, 3: "c" * 64}


def record(name: str, line: int = 1, **changes: Any) -> Record:
    return Record(name, (Message("user", SECRET), Message("assistant", "Here.")), "desk", line, **changes)


def corrected() -> Record:
    extra = {"reviewer": REVIEWER, "review_set": "desk-round-1", "model": HASHES[1][:12], "rating": 2}
    return record(CORRECTED, 9, extra=extra)


def synthetic(of: str) -> Record:
    return record(f"{of}-again", 1, extra={"synthetic": {"method": "noise", "of": of}})


def write_version(
    workspace: Path, rows: Sequence[tuple[str, Record]], quarantine: Iterable[Rejection] = (), /, **manifest: Any
) -> str:
    def describe(version: str, _: Any) -> Any:
        return make_manifest(version, **{"config": {}} | manifest)

    texts: Any = [(split, r.id, "cluster-1", json.dumps(r.to_json(), ensure_ascii=False)) for split, r in rows]
    return write_snapshot(workspace, rows=texts, quarantine=quarantine, config={}, describe=describe).name


def write_round(workspace: Path, number: int, version: str, **changes: Any) -> Round:
    example = make_round()
    adapter = workspace / "models" / "desk" / f"key-{number}" / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "name.txt").write_text(f"adapter-{number}")
    training = {"model_hash": HASHES[number], "data_version": version, "adapter": str(adapter), "rows": 2}
    round_ = make_round(
        number,
        model_version=str(10 + number),
        training_key=f"{number}e57" * 4,
        data=example.data.model_copy(update={"version": version}),
        training=example.training.model_copy(update=training | changes.pop("training", {})),
        **changes,
    )
    save_round(workspace, round_)
    return round_


def hash_of(adapter: Path) -> str:
    """In place of hashing weights."""
    return (adapter / "name.txt").read_text()


def write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_workspace(workspace: Path) -> tuple[str, str]:
    """The names of two data versions: round 1 trained on the first, rounds 2 and 3 on the second."""
    gone = Rejection("desk", 7, "r7", "near_copy", "near_copy: r1", related="r1", raw=json.dumps({"text": SECRET}))
    first = write_version(workspace, [("train", record("r1")), ("test", record("r2", 2))], [gone])
    second = write_version(
        workspace,
        [("train", record("r1")), ("train", corrected()), ("train", synthetic("r1")), ("test", record("r2", 2))],
        parents=[first],
    )
    verdict = make_round().verdict
    write_round(workspace, 1, first)
    write_round(workspace, 2, second, verdict=verdict.model_copy(update={"champion_hash": HASHES[1]}))
    write_round(workspace, 3, second, training={"start": "adapter-2"})
    answer = {"answer": SECRET, "prompt": SECRET, "issues": [], "reviewer": REVIEWER, "model": HASHES[1][:12]}
    responses = [
        answer | {"response_id": f"s{n}", "item_id": f"item-{n}", "review_set": "desk-round-1", "rating": n, **extra}
        for n, extra in ((1, {"correction": "Better."}), (2, {"correction": None}))
    ]
    write_lines(workspace / "feedback" / "desk" / "responses.jsonl", responses)
    served = {"id": "t1", "prompt": SECRET, "answer": SECRET, "model": HASHES[2][:12], "sent": ""}
    write_lines(workspace / "traffic" / "desk.jsonl", [served, served | {"id": "t2", "model": "another-server"}])
    return first, second
