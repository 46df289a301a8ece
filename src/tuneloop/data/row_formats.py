"""The shapes instruction data comes in, and how each becomes a conversation that ends with the wanted answer.

Known without a column map: `messages` (role/content), `conversations` (ShareGPT: from/value), `prompt`/`completion`,
`instruction`/`input`/`output` (Alpaca), `question`/`answer`, and pairs of a `chosen` and a `rejected` answer as TRL has
them: texts next to a prompt, or lists of turns that may begin with the prompt themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneloop.records import Message

ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}
PROMPT_NAMES = ("prompt", "instruction", "question")
COMPLETION_NAMES = ("completion", "output", "answer", "response")
CONVERSATION_NAMES = ("messages", "conversations")


class ShapeError(ValueError):
    """A row is no training example. `reason` is one of missing_field, wrong_type, empty_field, unknown_role,
    turn_order, different_prompts, no_preference."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation that ends with the wanted answer and, in preference data, the worse answer to the same prompt."""

    messages: tuple[Message, ...]
    rejected: str | None = None


def example(row: Any, columns: Mapping[str, str]) -> Example:
    """What one row teaches; `columns` maps our names to the file's.

    Raises:
        ShapeError: with the reason, and a detail that names fields but never repeats what is in them.
    """
    if not isinstance(row, Mapping):
        raise ShapeError("wrong_type", f"a row must be an object, this is {_kind(row)}")
    chosen, rejected = columns.get("chosen", "chosen"), columns.get("rejected", "rejected")
    if row.get(chosen) is not None and (rejected in row or not _has_completion(row, columns)):
        return _preference(row, columns, chosen, rejected)
    name = _first(row, columns, "messages", CONVERSATION_NAMES)
    is_chat = name is not None and row[name] is not None
    return Example(_in_order(_chat(row[name], name) if is_chat and name else _prompt_and_completion(row, columns)))


def _has_completion(row: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """Then a lone `chosen` is some remark on the row, and not a worse answer gone missing."""
    names = _first(row, columns, "messages", CONVERSATION_NAMES), _first(row, columns, "completion", COMPLETION_NAMES)
    return any(name and row[name] is not None for name in names)


def _preference(row: Mapping[str, Any], columns: Mapping[str, str], chosen: str, rejected: str) -> Example:
    if rejected not in row:
        raise ShapeError("missing_field", f"{chosen} without a field {rejected}")
    better, worse = (_in_order(_answered(row, columns, name)) for name in (chosen, rejected))
    if better[:-1] != worse[:-1]:
        raise ShapeError("different_prompts", f"{chosen} and {rejected} answer different prompts")
    if better[-1].content.strip() == worse[-1].content.strip():
        raise ShapeError("no_preference", f"{chosen} and {rejected} are the same")
    return Example(better, worse[-1].content)


def _answered(row: Mapping[str, Any], columns: Mapping[str, str], name: str) -> list[Message]:
    """The conversation that ends with the answer under `name`, whose own turns may be the prompt or a part of it."""
    answer = _turns(row[name], name, "assistant")
    if all(t.role == "assistant" for t in answer):
        return [*_asked(row, columns), *answer]
    prompt = _first(row, columns, "prompt", PROMPT_NAMES)
    before = _chat(row[prompt], prompt) if prompt and isinstance(row[prompt], list) else []
    return answer if answer[: len(before)] == before else [*before, *answer]


def _prompt_and_completion(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[Message]:
    asked = _asked(row, columns)
    completion = _first(row, columns, "completion", COMPLETION_NAMES)
    if not completion:
        raise ShapeError("missing_field", "no field for the completion")
    return [*asked, *_turns(row[completion], completion, "assistant")]


def _asked(row: Mapping[str, Any], columns: Mapping[str, str]) -> list[Message]:
    prompt = _first(row, columns, "prompt", PROMPT_NAMES)
    if not prompt:
        raise ShapeError("missing_field", "no field for the prompt")
    asked = _turns(row[prompt], prompt, "user")
    extra = row.get(columns.get("input", "input"))
    if extra not in (None, ""):
        last = asked[-1]
        asked[-1] = Message(last.role, f"{last.content}\n\n{_text(extra, 'input')}")
    system = row.get("system")
    return [Message("system", _text(system, "system")), *asked] if system else asked


def _first(row: Mapping[str, Any], columns: Mapping[str, str], ours: str, names: Sequence[str]) -> str | None:
    """The name of the field that holds `ours`: the mapped one, else the first known one with a value, else with null.

    Tables of several shapes have every column in every row.
    """
    empty = None
    for name in (columns[ours],) if ours in columns else names:
        if row.get(name) is not None:
            return name
        empty = empty or (name if name in row else None)
    return empty


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
    roles = [t.role for t in turns]
    spoken = roles[1:] if roles[0] == "system" else roles
    if not spoken or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise ShapeError("turn_order", "turns must alternate between user and assistant and end with the assistant")
    return tuple(turns)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true/false", int: "a number", float: "a number"}
    return names.get(type(value), "null" if value is None else type(value).__name__)
