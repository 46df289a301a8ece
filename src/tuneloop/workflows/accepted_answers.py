"""Answers that were really sent become feedback, with personal data treated as the recipe says before it is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.data.anonymising import treat
from tuneloop.recipes import Checks
from tuneloop.records import Message, Record
from tuneloop.review.collecting import accept_from_traffic


def accept_answers(rows: Iterable[Mapping[str, Any]], *, folder: Path, checks: Checks, key: bytes) -> int:
    """Add the traffic rows that carry `sent` to accepted.jsonl; returns how many rows it now holds.

    Under `redact` and `pseudonymise` rows are stored with what takes the place of personal data. Under `quarantine` a
    row that holds some is not stored here at all: it stays in the traffic log alone.
    """
    return accept_from_traffic(rows, folder=folder, policy=_Policy(checks, key))


@dataclass(frozen=True)
class _Policy:
    """Stored rows name the policy that they were treated under, so that each is treated once."""

    checks: Checks
    key: bytes

    @property
    def name(self) -> str:
        return f"{self.checks.pii_policy}:{','.join(sorted(self.checks.pii_allowed))}"

    def __call__(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        treated = treat([_record(row) for row in rows], self.checks, self.key)
        return [
            _stored(row, record) if not self._is_kept_out(kinds) else None
            for row, record, kinds in zip(rows, treated.records, treated.kinds, strict=True)
        ]

    def _is_kept_out(self, kinds: str) -> bool:
        found = set(kinds.split(",")) - {"", *self.checks.pii_allowed}
        return self.checks.pii_policy == "quarantine" and bool(found)


def _record(row: Mapping[str, Any]) -> Record:
    messages = (Message("user", row["prompt"]), Message("assistant", row["completion"]))
    return Record(row["id"], messages, source="traffic", line=0, group=row["group"], extra=row["extra"])


def _stored(row: Mapping[str, Any], record: Record) -> dict[str, Any]:
    new = {"id": record.id, "group": record.group, "extra": dict(record.extra)}
    return {**row, **new, "prompt": record.prompt, "completion": record.completion}
