"""Who made which version the champion, when and why: `<workspace>/promotions/<recipe>.jsonl`, which only ever grows.

Each line is sealed (HMAC-SHA256, key of the workspace) together with the seal of the line before, so a line that was
changed, taken out or put in shows. How many lines there are is sealed too, in `<recipe>.head` beside the file, so
lines cut off at the end show; and an older copy of both shows by the seals that the registry keeps of changes.
The file names people: promoting is an act that somebody answers for.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from tuneloop.errors import DataError
from tuneloop.files import appending, atomic_write, force_to_disk, lock
from tuneloop.results.result import Result

GATE = "gate"
START = "0" * 64
"""What the first line has for the seal of the line before."""
WITH_HEAD = 2
"""Format of lines that were written when there was a head already: without it, such a line is a fault."""

log = logging.getLogger(__name__)


class Entry(Result):
    """One line. A change has two: `intent` before the registry is touched, then `done`; or `abandoned`, if the process
    ended before the change took effect. `declined` stands alone: a person said no to a promotion.

    `repair` gives the registry back the champion of the trail, under a new number where its version was deleted;
    `adopt` and `retire` take over what the registry says: another champion, or none.
    """

    number: int
    at: str
    recipe: str
    action: Literal["promote", "rollback", "repair", "adopt", "retire"]
    step: Literal["intent", "done", "abandoned", "declined"]
    who: str
    """`gate`, or the name of the person."""
    because: str
    from_version: str | None
    to_version: str | None
    """None: no champion from then on."""
    previous_version: str | None
    """What the alias `previous` names afterwards."""
    model_hash: str
    served_hash: str | None = None
    """Of what is served of it; None in lines from before it was kept, whose verdict tells it."""
    folders_sha256: str | None = None
    """Over the files of all its folders, as the round keeps them."""
    round: int | None = None
    """Number of the round that judged it."""
    verdict_sha256: str | None
    intent: int | None = None
    """Number of the intent that this line ends."""
    format: int | None = None
    before: str
    seal: str


class Head(Result):
    """How long the trail is, and the seal of its last line. A trail may be longer, by lines that follow from there.

    `becoming` is that line's seal once an erasure, which a kill may interrupt, has sealed the trail anew.
    """

    recipe: str
    lines: int
    last: str
    becoming: str | None = None
    seal: str = ""


class AuditTrail:
    """One recipe's trail. Append only inside `held`."""

    def __init__(self, workspace: Path, recipe: str, key: bytes) -> None:
        self.file = workspace / "promotions" / f"{recipe}.jsonl"
        self.head_file = self.file.with_name(f"{recipe}.head")
        self.recipe = recipe
        self._key = key

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait until no other process changes this recipe's champion; a killed holder lets go."""
        with lock(self.file.with_name(f"{self.recipe}.lock")):
            self._catch_up()
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
                raise DataError(f"line {number} of the audit trail {self.file} is damaged: {self.remedy}") from error
        return found

    @property
    def remedy(self) -> str:
        """What to do about a trail that is not whole."""
        return (
            f"bring the file and {self.head_file.name} back from a backup, or start a new trail with the champion that "
            f"the registry names: `tuneloop models repair {self.recipe} --from registry --because TEXT`"
        )

    def append(self, **content: Any) -> Entry:
        """Seal one more line and have it on the disk; returns it."""
        entries = self.entries()
        before = entries[-1].seal if entries else START
        now = datetime.now(UTC).isoformat(timespec="seconds")
        open_entry = Entry(
            number=len(entries) + 1, at=now, recipe=self.recipe, before=before, seal="", format=WITH_HEAD, **content
        )  # fmt: skip
        entry = open_entry.model_copy(update={"seal": self._seal(open_entry)})
        with appending(self.file) as stream:
            stream.write(entry.model_dump_json().encode() + b"\n")
        self._catch_up()
        return entry

    def faults(self, entries: Sequence[Entry], *, anchors: Sequence[str] = ()) -> list[str]:
        """What does not hold together, in words; none if all does. `anchors`: seals that the registry keeps."""
        found = self._line_faults(entries) + self._head_faults(entries)
        seals = {entry.seal for entry in entries}
        lost = [anchor for anchor in anchors if anchor not in seals]
        if lost:
            found.append(f"{len(lost)} changes that the registry knows of are missing from the trail")
        return found

    def resealed(self, change: Callable[[Any], Any]) -> tuple[list[Entry], dict[str, str]]:
        """The lines with `change` applied to their content, and old seals with their new ones.

        For a person's right to be forgotten, and nothing else: what was decided, when and of which model stays. A trail
        that is not whole keeps its seals, so that it stays to be seen.
        """
        lines: list[Entry] = []
        entries = self.entries()
        is_whole = not self.faults(entries)
        for old in entries:
            content = change(old.model_dump(exclude={"before", "seal"}))
            entry = Entry.model_validate({**content, "before": old.before, "seal": old.seal})
            if is_whole:
                entry = entry.model_copy(update={"before": lines[-1].seal if lines else START})
                entry = entry.model_copy(update={"seal": self._seal(entry)})
            lines.append(entry)
        return lines, {old.seal: new.seal for old, new in zip(entries, lines, strict=True) if old.seal != new.seal}

    def reseal(self, change: Callable[[Any], Any]) -> None:
        """Write the trail as `resealed` gives it. Only inside `held`; a kill anywhere leaves a trail that is whole."""
        lines, seals = self.resealed(change)
        if seals and (head := self._head()) is not None:
            self._write_head(head.model_copy(update={"becoming": seals.get(head.last)}))
        atomic_write(self.file, "".join(entry.model_dump_json() + "\n" for entry in lines))
        self._catch_up()

    def is_sealed(self, entry: Entry) -> bool:
        """Whether the line, by itself, is as it was written."""
        return hmac.compare_digest(entry.seal.encode(), self._seal(entry).encode())

    def set_aside(self) -> list[Path]:
        """Give a broken trail and its head names of their own, so that a new one can start; returns where they are."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        there = [file for file in (self.file, self.head_file) if file.is_file()]
        # The head last: a kill in between leaves a fault, not a trail that only looks short.
        moved = [file.rename(file.with_name(f"{self.recipe}.{stamp}.set-aside{file.suffix}")) for file in there]
        force_to_disk(self.file.parent)
        self._catch_up()  # the new trail's head stands before its first line
        return moved

    def others(self) -> list[Path]:
        """Earlier trails of this recipe that were set aside, oldest first."""
        return sorted(self.file.parent.glob(f"{self.recipe}.*.set-aside.jsonl"))

    def _line_faults(self, entries: Sequence[Entry]) -> list[str]:
        found, before = [], START
        for number, entry in enumerate(entries, start=1):
            if entry.number != number or entry.before != before:
                found.append(f"line {number} does not follow the line before: one was taken out, put in or moved")
            if entry.recipe != self.recipe or not self.is_sealed(entry):
                found.append(f"line {number} was changed after it was written, or sealed with another key")
            before = entry.seal
        return found

    def _head_faults(self, entries: Sequence[Entry]) -> list[str]:
        head = self._head()
        if head is None:
            if not any(entry.format for entry in entries):
                return []  # from before there were heads, or not begun
            return [f"{self.head_file.name}, which says how many lines there are, is gone"]
        if not self._is_ours(head):
            return [f"{self.head_file.name}, which says how many lines there are, was changed"]
        if len(entries) < head.lines:
            return [f"{head.lines - len(entries)} of {head.lines} lines are missing at the end"]
        if head.lines and entries[head.lines - 1].seal not in {head.last, head.becoming}:
            return [f"line {head.lines} is not the one that was written there"]
        return []

    def _catch_up(self) -> None:
        """Seal the present length. Nothing is done about a trail that is not whole: the fault must stay to be seen."""
        try:
            entries = self.entries()
        except DataError:
            return
        last, head = entries[-1].seal if entries else START, self._head()
        if (head is not None and head.last == last) or self.faults(entries):
            return
        if head is None and entries:
            log.warning("%s was written before its length was sealed; from now on it is", self.file)
        self._write_head(Head(recipe=self.recipe, lines=len(entries), last=last))

    def _write_head(self, head: Head) -> None:
        sealed = head.model_copy(update={"seal": self._seal_head(head)})
        atomic_write(self.head_file, sealed.model_dump_json())

    def _head(self) -> Head | None:
        try:
            return Head.model_validate_json(self.head_file.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            return Head(recipe=self.recipe, lines=0, last="damaged")

    def _is_ours(self, head: Head) -> bool:
        return head.recipe == self.recipe and hmac.compare_digest(head.seal.encode(), self._seal_head(head).encode())

    def _seal(self, entry: Entry) -> str:
        content = entry.model_dump_json(exclude={"seal"}, exclude_none=True)
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()

    def _seal_head(self, head: Head) -> str:
        becoming = f"\n{head.becoming}" if head.becoming else ""
        content = f"tuneloop trail head 1\n{head.recipe}\n{head.lines}\n{head.last}{becoming}"
        return hmac.new(self._key, content.encode(), hashlib.sha256).hexdigest()
