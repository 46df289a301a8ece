"""Who made which version the champion, when and why: `<workspace>/promotions/<recipe>.jsonl`, which only ever grows.

Each line is sealed (HMAC-SHA256, key of the workspace) together with the seal of the line before, so a line that was
changed, taken out or put in shows. Lines cut off at the end show by the seals that the registry keeps of changes.
The file names people: promoting is an act that somebody answers for.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tuneloop.errors import DataError
from tuneloop.results.result import Result

GATE = "gate"
START = "0" * 64
"""What the first line has for the seal of the line before."""


class Entry(Result):
    """One line. A change has two: `intent` before the registry is touched, then `done`; or `abandoned`, if the process
    ended before the change took effect. `declined` stands alone: a person said no to a promotion."""

    number: int
    at: str
    recipe: str
    action: Literal["promote", "rollback"]
    step: Literal["intent", "done", "abandoned", "declined"]
    who: str
    """`gate`, or the name of the person."""
    because: str
    from_version: str | None
    to_version: str
    previous_version: str | None
    """What the alias `previous` names afterwards."""
    model_hash: str
    verdict_sha256: str | None
    intent: int | None = None
    """Number of the intent that this line ends."""
    before: str
    seal: str


class AuditTrail:
    """One recipe's trail. Append only inside `held`."""

    def __init__(self, workspace: Path, recipe: str, key: bytes) -> None:
        self.file = workspace / "promotions" / f"{recipe}.jsonl"
        self.recipe = recipe
        self._key = key

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until no other process changes this recipe's champion; a killed holder lets go."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def entries(self) -> list[Entry]:
        """All lines, oldest first; a last line that a killed process left unfinished was never written.

        Raises:
            DataError: a line is not an entry.
        """
        content = self.file.read_bytes() if self.file.is_file() else b""
        found = []
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            try:
                found.append(Entry.model_validate_json(line))
            except ValidationError as error:
                raise DataError(
                    f"line {number} of the audit trail {self.file} is damaged: bring the file back from a backup, or "
                    "move it away to start a new one (the next promotion then begins at line 1)"
                ) from error
        return found

    def append(self, **content: Any) -> Entry:
        """Seal one more line and have it on the disk; returns it."""
        entries = self.entries()
        before = entries[-1].seal if entries else START
        now = datetime.now(UTC).isoformat(timespec="seconds")
        open_entry = Entry(
            number=len(entries) + 1, at=now, recipe=self.recipe, before=before, seal="", **content
        )  # fmt: skip
        entry = open_entry.model_copy(update={"seal": self._seal(open_entry)})
        self._write(entry.model_dump_json().encode() + b"\n")
        return entry

    def faults(self, entries: Sequence[Entry], *, anchors: Sequence[str] = ()) -> list[str]:
        """What does not hold together, in words; none if all does. `anchors`: seals that the registry keeps."""
        found, before = [], START
        for number, entry in enumerate(entries, start=1):
            if entry.number != number or entry.before != before:
                found.append(f"line {number} does not follow the line before: one was taken out, put in or moved")
            if not hmac.compare_digest(entry.seal.encode(), self._seal(entry).encode()):
                found.append(f"line {number} was changed after it was written, or sealed with another key")
            before = entry.seal
        seals = {entry.seal for entry in entries}
        lost = [anchor for anchor in anchors if anchor not in seals]
        if lost:
            found.append(f"{len(lost)} changes that the registry knows of are missing from the trail")
        return found

    def resealed(self, change: Callable[[Any], Any]) -> tuple[bytes, dict[str, str]]:
        """The file as it would be with `change` applied to every line's content, and old seals with their new ones.

        For a person's right to be forgotten, and nothing else: what was decided, when and of which model stays.
        """
        lines, seals, before = [], {}, START
        for old in self.entries():
            content = change(old.model_dump(exclude={"before", "seal"}))
            entry = Entry.model_validate({**content, "before": before, "seal": ""})
            entry = entry.model_copy(update={"seal": self._seal(entry)})
            lines.append(entry.model_dump_json().encode() + b"\n")
            seals[old.seal] = before = entry.seal
        return b"".join(lines), {old: new for old, new in seals.items() if old != new}

    def _seal(self, entry: Entry) -> str:
        content = entry.model_dump_json(exclude={"seal"}, exclude_none=True)
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()

    def _write(self, line: bytes) -> None:
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as stream:
            stream.truncate(stream.read().rfind(b"\n") + 1)  # what a killed process left of a line
            stream.seek(0, os.SEEK_END)
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
