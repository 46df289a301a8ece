"""The ledger of a private test set: every model that was ever scored on it, in a file that only grows.

`<workspace>/private-uses/<recipe>.jsonl`, one JSON object a line, mode 0600. A line is on the disk before the score it
speaks of can be seen, so that no kill hides a use. The same model on the same rows for the same purpose is one use.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from tuneloop.errors import DataError
from tuneloop.files import appending
from tuneloop.records import Record, content_hash
from tuneloop.results.private_test import PrivatePromotion, PrivateUse

FOLDER = "private-uses"
SKETCH_ROWS = 32
"""Two sets that share a tenth of their rows share none of these with probability 0.04, a fifth with 0.001 (simulated,
1,000 rows)."""

Entry = PrivateUse | PrivatePromotion


@dataclass(frozen=True)
class Looks:
    """How often a set of rows has been looked at. Sets that share rows count as one."""

    models: tuple[str, ...] = ()
    """Hashes of the different models, in the order of their first score."""
    compared: int = 0
    """The most models that were scored while none of them had been promoted."""
    choices: int = 0
    """Uses that said of themselves that they choose."""


class UseLedger:
    """The uses of one recipe's private test set."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @classmethod
    def of(cls, workspace: Path, recipe: str) -> UseLedger:
        return cls(workspace / FOLDER / f"{recipe}.jsonl")

    def entries(self) -> list[Entry]:
        """All lines, oldest first. A last line that a kill left unfinished was never a use.

        Raises:
            DataError: a whole line is damaged: somebody edited the file, or the disk did.
        """
        return _parsed(self.file, self.file.read_bytes()) if self.file.is_file() else []

    def log(self, use: PrivateUse) -> bool:
        """Write the use down, unless it is known; whether it was new."""
        same = ("model_hash", "rows_hash", "purpose")
        return self._append(use, lambda e: all(getattr(e, n, None) == getattr(use, n) for n in same))

    def note_promotion(self, model_hash: str) -> None:
        """The model is the champion now; repeating it changes nothing."""
        last = [e for e in self.entries() if isinstance(e, PrivatePromotion)][-1:]
        if [e.model_hash for e in last] != [model_hash]:
            self._append(PrivatePromotion(at=now(), model_hash=model_hash), lambda _: False)

    def _append(self, entry: Entry, is_same: Callable[[Entry], bool]) -> bool:
        with appending(self.file) as stream:
            stream.seek(0)
            if any(map(is_same, _parsed(self.file, stream.read()))):
                return False
            stream.write(entry.model_dump_json().encode() + b"\n")
        return True


def looks_at(entries: Iterable[Entry], sketch: Sequence[str]) -> Looks:
    """What the ledger knows of a set of rows and of all sets that share rows with it."""
    rows = set(sketch)
    models: dict[str, None] = {}
    waiting: set[str] = set()
    promoted: set[str] = set()
    compared = choices = 0
    for entry in entries:
        if isinstance(entry, PrivatePromotion):
            promoted.add(entry.model_hash)
            waiting.clear()
        elif rows & set(entry.sketch):
            models[entry.model_hash] = None
            waiting |= {entry.model_hash} - promoted
            compared, choices = max(compared, len(waiting)), choices + (entry.purpose == "choose")
    return Looks(tuple(models), compared, choices)


def identity_of(records: Sequence[Record]) -> tuple[str, list[str]]:
    """(hash of all rows, sketch): both from what rows say, whatever their order and their place in a file."""
    hashes = sorted(content_hash([[(m.role, m.content) for m in r.messages], r.rejected]) for r in records)
    return content_hash(hashes), [h[:16] for h in hashes[:SKETCH_ROWS]]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _parsed(file: Path, content: bytes) -> list[Entry]:
    whole = content[: content.rfind(b"\n") + 1].splitlines()
    return [_entry(file, number, line) for number, line in enumerate(whole, start=1)]


def _entry(file: Path, number: int, line: bytes) -> Entry:
    try:
        kind = PrivatePromotion if json.loads(line).get("kind") == "promotion" else PrivateUse
        return kind.model_validate_json(line)
    except (ValueError, AttributeError, ValidationError) as error:
        raise DataError(
            f"line {number} of {file} is damaged, so nobody can say how often the private test set was used: restore "
            "the file from a backup, or start over with new private rows and a new file"
        ) from error
