"""The texts of a row, one by one, and back into the row. JSON is taken apart so that it is still JSON afterwards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tuneloop.records import Message, Record

MIN_NUMBER_DIGITS = 7
"""Shorter JSON numbers name nobody."""

_TOKEN = re.compile(rf'"(?:[^"\\]|\\.)*"|-?\d{{{MIN_NUMBER_DIGITS},}}(?![\d.eE])')
_COLON = re.compile(r"\s*:")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text that is read by itself. `label` is the JSON key before it: it says what the value is."""

    start: int
    end: int
    text: str
    label: str = ""
    form: Literal["plain", "key", "string", "number"] = "plain"


def texts_of(record: Record) -> tuple[list[str], list[str]]:
    """What is trained on (the turns, and the rejected answer if there is one), and the strings in `extra`."""
    turns = [message.content for message in record.messages]
    return turns + ([] if record.rejected is None else [record.rejected]), list(_strings(record.extra))


def with_texts(record: Record, texts: Sequence[str], extra: Sequence[str]) -> Record:
    """The record with other texts, in the order in which `texts_of` gives them."""
    turns = tuple(Message(old.role, new) for old, new in zip(record.messages, texts, strict=False))
    rejected = None if record.rejected is None else texts[-1]
    return replace(record, messages=turns, rejected=rejected, extra=_refilled(record.extra, iter(extra)))


def pieces_of(text: str) -> list[Piece]:
    """The whole text, or of a JSON object or list its keys, strings (unescaped) and long numbers."""
    if not _is_json(text):
        return [Piece(0, len(text), text)]
    found: list[Piece] = []
    label = ""
    for match in _TOKEN.finditer(text):
        piece = _piece(text, match, label)
        label = piece.text if piece.form == "key" else label
        found.append(piece)
    return found


def rejoin(text: str, pieces: Sequence[Piece], new: Sequence[str]) -> str:
    """`text` with new contents for its pieces; what did not change stays as it is, byte for byte."""
    out, position = [], 0
    for piece, content in zip(pieces, new, strict=True):
        if content != piece.text:
            out += [text[position : piece.start], _written(piece, content, text[piece.start : piece.end])]
            position = piece.end
    return "".join([*out, text[position:]])


def _is_json(text: str) -> bool:
    if text.lstrip()[:1] not in {"{", "["}:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _piece(text: str, match: re.Match[str], label: str) -> Piece:
    if not match[0].startswith('"'):
        return Piece(*match.span(), match[0], label, "number")
    value: str = json.loads(match[0], strict=False)
    is_key = _COLON.match(text, match.end()) is not None
    return Piece(*match.span(), value, "" if is_key else label, "key" if is_key else "string")


def _written(piece: Piece, content: str, old: str) -> str:
    return content if piece.form == "plain" else json.dumps(content, ensure_ascii="\\u" in old)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _refilled(value: Any, strings: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(strings)
    if isinstance(value, Mapping):
        return {key: _refilled(inner, strings) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_refilled(inner, strings) for inner in value]
    return value
