"""Records for tests, made short."""

from __future__ import annotations

from tuneloop.records import Message, Record


def a_record(
    prompt: str,
    completion: str = "Yes.",
    *,
    id: str | None = None,
    source: str = "pool",
    held_out: bool = False,
    group: str | None = None,
    line: int = 1,
) -> Record:
    turns = (Message("user", prompt), Message("assistant", completion))
    return Record(id or prompt[:40], turns, source, line, held_out=held_out, group=group)
