"""The shapes instruction data comes in, and how each becomes a conversation that ends with the wanted answer.

Known without a column map: `messages` (role/content), `conversations` (ShareGPT: from/value), `prompt`/`completion`,
`instruction`/`input`/`output` (Alpaca) and `question`/`answer`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.records import Message

ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}
PROMPT_NAMES = ("prompt", "instruction", "question")
COMPLETION_NAMES = ("completion", "output", "answer", "response")
CONVERSATION_NAMES = ("messages", "conversations")


class ShapeError(ValueError):
    """A row is no training example. `reason` is one of missing_field, wrong_type, empty_field, unknown_role,
    turn_order."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def conversation(row: Any, columns: Mapping[str, str]) -> tuple[Message, ...]:
    """The turns of one row; `columns` maps our names to the file's.

    Raises:
        ShapeError: with the reason, and a detail that names fields but never repeats what is in them.
    """
    if not isinstance(row, Mapping):
        raise ShapeError("wrong_type", f"a row must be an object, this is {_kind(row)}")
    name = _first(row, columns, "messages", CONVERSATION_NAMES)
    turns = _chat(row[name], name) if name else _prompt_and_completion(row, columns)
    return _in_order(turns)


def _prompt_and_completion(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[Message]:
    prompt = _first(row, columns, "prompt", PROMPT_NAMES)
    completion = _first(row, columns, "completion", COMPLETION_NAMES)
    if not prompt or not completion:
        raise ShapeError("missing_field", f"no field for the {'completion' if prompt else 'prompt'}")
    system = [Message("system", _text(row["system"], "system"))] if row.get("system") else []
    asked = _turns(row[prompt], prompt, "user")
    extra = row.get(columns.get("input", "input"))
    if extra not in (None, ""):
        last = asked[-1]
        asked[-1] = Message(last.role, f"{last.content}\n\n{_text(extra, 'input')}")
    return [*system, *asked, *_turns(row[completion], completion, "assistant")]


def _first(row: Mapping[str, Any], columns: Mapping[str, str], ours: str, names: Sequence[str]) -> str | None:
    """The name of the field that holds `ours`: the mapped one, else the first known one that is there."""
    candidates = (columns[ours],) if ours in columns else names
    return next((n for n in candidates if n in row), None)


def _turns(value: Any, name: str, role: str) -> list[Message]:
    """A text, or (as TRL has it) a list of chat turns on either side."""
    return _chat(value, name) if isinstance(value, list) else [Message(role, _text(value, name))]


def _chat(value: Any, name: str) -> list[Message]:
    if not isinstance(value, list):
        raise ShapeError("wrong_type", f"{name} must be a list of turns, this is {_kind(value)}")
    if not value:
        raise ShapeError("empty_field", f"{name} has no turns")
    return [_turn(turn, f"{name}[{i}]") for i, turn in enumerate(value)]


def _turn(turn: Any, name: str) -> Message:
    if not isinstance(turn, Mapping):
        raise ShapeError("wrong_type", f"{name} must be an object, this is {_kind(turn)}")
    role = turn.get("role", turn.get("from"))
    if not isinstance(role, str) or role.lower() not in ROLES:
        raise ShapeError("unknown_role", f"{name} is of none of the roles {', '.join(ROLES)}")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        content = _joined_parts(content, name)
    return Message(ROLES[role.lower()], _text(content, name))


def _joined_parts(parts: list[Any], name: str) -> str:
    texts = [p.get("text") for p in parts if isinstance(p, Mapping) and p.get("type") == "text"]
    if len(texts) != len(parts) or not all(isinstance(t, str) for t in texts):
        raise ShapeError("wrong_type", f"{name} has a part that is not text")
    return "\n".join(map(str, texts))


def _text(value: Any, name: str) -> str:
    if value is None:
        raise ShapeError("missing_field", f"{name} is null")
    if not isinstance(value, str):
        raise ShapeError("wrong_type", f"{name} must be text, this is {_kind(value)}")
    if not value.strip():
        raise ShapeError("empty_field", f"{name} is empty")
    return value


def _in_order(turns: list[Message]) -> tuple[Message, ...]:
    """An optional system turn, then user and assistant by turns, the assistant last: what chat templates accept."""
    spoken = turns[1:] if turns[0].role == "system" else turns
    expected = [("user", "assistant")[i % 2] for i in range(len(spoken))]
    if not spoken or len(spoken) % 2 or [t.role for t in spoken] != expected:
        raise ShapeError("turn_order", "turns must alternate between user and assistant and end with the assistant")
    return tuple(turns)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)
