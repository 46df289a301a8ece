"""Rounds of the loop, one JSON file each: `<workspace>/rounds/<recipe>/<number>.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.errors import DataError
from tuneloop.files import atomic_write, lock
from tuneloop.results import Round


def rounds_folder(workspace: Path, recipe: str) -> Path:
    return workspace / "rounds" / recipe


def load_rounds(workspace: Path, recipe: str) -> list[Round]:
    """All rounds of a recipe, oldest first.

    Raises:
        DataError: a file is damaged.
    """
    return [_read(file) for file in sorted(rounds_folder(workspace, recipe).glob("[0-9]*.json"))]


def save_round(workspace: Path, round_: Round) -> Path:
    """Write or replace one round; neither a reader nor a power cut ever sees half a file."""
    file = rounds_folder(workspace, round_.recipe) / f"{round_.number:04d}.json"
    atomic_write(file, round_.model_dump_json(indent=1))
    return file


@contextmanager
def one_cycle_at_a_time(workspace: Path, recipe: str) -> Iterator[None]:
    """Wait until no other process runs a cycle of this recipe, then hold the lock; a killed holder gives it up.

    A run that was killed is reported by both Prefect's runner and its worker, seconds apart, and so is started twice.
    """
    with lock(rounds_folder(workspace, recipe) / "turn.lock"):
        yield


def find_round(rounds: list[Round], *, training_key: str) -> Round | None:
    """The last round that trained and judged exactly this (data, base, recipe), if there is one."""
    return next((r for r in reversed(rounds) if r.training_key == training_key), None)


def begin_round(workspace: Path, *, recipe: str, **content: Any) -> Round:
    """A round with the next number, started now; not saved yet."""
    rounds = load_rounds(workspace, recipe)
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    return Round(number=rounds[-1].number + 1 if rounds else 1, recipe=recipe, started_at=started_at, **content)


def reviewed_model(round_: Round, champion: Mapping[str, str] | None) -> tuple[str, str]:
    """(folder, hash) of the model whose answers people judge: the one in production.

    A candidate that waits for people is put before them; so is the first one, promoted or not, while nothing is in
    production.
    """
    if champion is None or round_.verdict.decision == "needs_review":
        return _served(round_)
    return served_by(champion)


def other_model(round_: Round, reviewed_hash: str, rounds: Sequence[Round]) -> tuple[str, str] | None:
    """(folder, hash) of the model that the reviewed one is compared with: of candidate and champion the other one.

    The champion is the one that the round was judged against; it may have been replaced since. None: there was none, it
    is the same model, or its folder is gone.
    """
    champion = round_.champion.model_hash if round_.champion else None
    served = [_served(round_), *(_served(r) for r in rounds if r.candidate.model_hash == champion)]
    others = [(path, found) for path, found in served if found != reviewed_hash and path and Path(path).is_dir()]
    return others[0] if champion is not None and others else None


def served_by(tags: Mapping[str, str]) -> tuple[str, str]:
    """(folder, hash) of what a version serves; versions from before there were such tags serve their merged model."""
    return tags.get("served_path") or tags.get("model_path", ""), tags.get("served_hash") or tags.get("model_hash", "")


def _served(round_: Round) -> tuple[str, str]:
    return round_.served_path or round_.training.model, round_.candidate.model_hash


def _read(file: Path) -> Round:
    try:
        return Round.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise DataError(
            f"the record of a round, {file}, is damaged, or of another release of tuneloop: bring it back from a "
            "backup, or move it away if the round does not matter any more (a model that it promoted then cannot be "
            "verified)"
        ) from error
