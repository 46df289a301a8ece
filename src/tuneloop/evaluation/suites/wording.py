"""The words of an answer: what of it is said to the reader, and whether something is said in it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

_SPACED = re.compile(r"\s+")
_VALUE = re.compile(r':\s*"((?:[^"\\]|\\.)*)')
_QUOTES = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"'})


def spoken(answer: str) -> str:
    """What a reader is told, on one line with plain quotes: the strings inside a JSON answer, else all of it.

    An object that was cut off, or is broken, counts as JSON as far as it goes.
    """
    try:
        content = json.loads(answer)
    except (ValueError, RecursionError):
        values = _VALUE.findall(answer) if answer.lstrip().startswith("{") else []
        return plain(" ".join(value.replace('\\"', '"').replace("\\n", " ") for value in values) or answer)
    return plain("\n".join(_strings(content))) if isinstance(content, dict | list) else plain(answer)


def plain(text: str) -> str:
    """On one line, with straight quotes."""
    return _SPACED.sub(" ", text.translate(_QUOTES)).strip()


def says(text: str, phrase: str) -> bool:
    """Whether `phrase` stands in `text` as whole words, in upper or lower case."""
    return _whole_words(plain(phrase)).search(plain(text)) is not None


def _strings(content: Any) -> list[str]:
    """In reading order; by a stack, because an answer may be nested as deep as its length allows."""
    found, waiting = [], [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict | list):
            waiting += reversed(list(value.values()) if isinstance(value, dict) else value)
    return found


@lru_cache(maxsize=4096)
def _whole_words(phrase: str) -> re.Pattern[str]:
    """Not inside a longer word; a number not inside a decimal one or behind a minus: "5" is not in "0.5" or "-5"."""
    sign = r"(?<![-\u2212])" if phrase[:1].isdigit() else ""
    return re.compile(rf"(?<!\w)(?<!\d[.,]){sign}{re.escape(phrase)}(?!\w)(?![.,]\d)", re.IGNORECASE)
