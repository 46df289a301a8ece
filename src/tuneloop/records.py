"""The one record type that goes through everything, and what is said of a row that may not pass."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant"]
Split = Literal["train", "validation", "test", "private"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Record:
    """One training example: a conversation whose last turn is the wanted answer.

    `id` names the row for ever: the source's own id where there is one, else a hash of the content. `source` is the
    recipe's name of the source and `line` the 1-based line (or row) there, so that any row can be walked back.
    `held_out` rows come from a source that is held out (or private) as a whole; all others are split by us. `rejected`
    is the worse answer to the same prompt, in preference data.
    """

    id: str
    messages: tuple[Message, ...]
    source: str
    line: int
    held_out: bool = False
    group: str | None = None
    created_at: str | None = None
    rejected: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """All turns before the answer, as plain text (roles left out): what the checks read."""
        return "\n".join(m.content for m in self.messages[:-1])

    @property
    def completion(self) -> str:
        return self.messages[-1].content

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "messages": [{"role": m.role, "content": m.content} for m in self.messages],
            "source": self.source,
            "line": self.line,
            "held_out": self.held_out,
            "group": self.group,
            "created_at": self.created_at,
            "rejected": self.rejected,
            "extra": dict(self.extra),
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Record:
        messages = tuple(Message(m["role"], m["content"]) for m in row["messages"])
        rest = {k: row[k] for k in ("id", "source", "line", "held_out", "group", "created_at", "extra")}
        return cls(messages=messages, rejected=row.get("rejected"), **rest)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was set aside, and why. `related` names another row: the one kept, or the one contradicted."""

    source: str
    line: int
    record_id: str | None
    reason: str
    detail: str
    related: str | None = None
    raw: str | None = None


def content_hash(value: Any) -> str:
    """Hex SHA-256 of the canonical JSON of `value`: equal content, equal hash, on every machine."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
