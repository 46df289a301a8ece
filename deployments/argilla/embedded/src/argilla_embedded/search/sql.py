"""Pieces of SQL that carry their parameters with them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sql:
    """An SQL text with `?` marks, and the values for them in the same order."""

    text: str
    params: tuple[Any, ...] = ()


ALWAYS = Sql("1")
NEVER = Sql("0")


def join(pieces: Iterable[Sql], separator: str) -> Sql:
    """Put pieces in brackets and join them; the parameters keep the order of the text."""
    pieces = list(pieces)
    text = separator.join(f"({piece.text})" for piece in pieces)
    return Sql(text, tuple(value for piece in pieces for value in piece.params))


def all_of(pieces: Iterable[Sql]) -> Sql:
    pieces = list(pieces)
    return join(pieces, " AND ") if pieces else ALWAYS


def any_of(pieces: Iterable[Sql]) -> Sql:
    pieces = list(pieces)
    return join(pieces, " OR ") if pieces else NEVER


def negated(piece: Sql) -> Sql:
    return Sql(f"NOT ({piece.text})", piece.params)
