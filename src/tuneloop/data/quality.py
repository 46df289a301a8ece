"""Texts that nothing can be learned from. Only rules that a sound row practically never breaks: the row is set aside.

A `problem` is a word: `repetition`, `symbols` or `gibberish` for any text, and for answers also `no_words`, `shouting`
and `leftover` (what other models and page templates leave behind).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from tuneloop.data.hints import hinted
from tuneloop.data.text_marks import CODE
from tuneloop.data.words import WordCounts

MIN_REPETITION_WORDS = 30
MAX_REPEATED_TRIPLES = 0.6
"""Share of the word triples that were there before: three times the same text has .67."""
MIN_SYMBOL_CHARACTERS = 40
MIN_LETTER_SHARE = 0.2
MIN_GIBBERISH_SHARE = 0.5
MIN_SHOUTED_WORDS = 5

_KEYS = "asdf|sdfg|dfgh|fghj|ghjk|hjkl|qwer|wert|rtyu|tyui|yuio|uiop|zxcv|xcvb|cvbn|vbnm"
_LEFTOVERS = r"\bas an ai language model\b|\blorem ipsum dolor\b|\[object object\]"
_HINTS = f"(?i){_KEYS}|" + "|".join(f"{c}{{10}}" for c in "abcdefghijklmnopqrstuvwxyz") + f"|{_LEFTOVERS}"
_KEY_RUN = re.compile(rf"\b(?:(?:{_KEYS})[a-z]?){{2,}}[a-z]{{0,3}}\b|([a-z])\1{{9,}}", re.IGNORECASE)
_LEFTOVER = re.compile(_LEFTOVERS, re.IGNORECASE)
_NOT_LETTERS = bytes(c for c in range(128) if not chr(c).isalnum())
_SPACES = bytes(c for c in range(128) if chr(c).isspace())
_PUNCTUATION = " \t\r\n.,;:!?-_~*'\"`()[]{}/\\|\u2026\u2013\u2014\u2018\u2019\u201c\u201d"


def text_problems(texts: Sequence[str], arrow: Any, counts: WordCounts) -> list[str]:
    """`text_problem` of each text, "" for none; `arrow` and `counts` are made of the same texts."""
    few = counts.distinct <= (1 - MAX_REPEATED_TRIPLES) * counts.words + 4
    looked_at = (few & (counts.words >= MIN_REPETITION_WORDS)) | hinted(arrow, _HINTS)
    return [
        text_problem(text) if look or _is_symbols(text) else ""
        for text, look in zip(texts, looked_at.tolist(), strict=True)
    ]


def answer_problems(answers: Sequence[str], problems: Sequence[str], arrow: Any) -> list[str]:
    """What `text_problems` found, and where that is nothing what is only wrong in an answer."""
    leftovers = hinted(arrow, f"(?i){_LEFTOVERS}").tolist()
    return [
        problem or _answer_problem(answer, may_be_leftover=leftover)
        for answer, problem, leftover in zip(answers, problems, leftovers, strict=True)
    ]


def text_problem(text: str) -> str:
    """The first problem of one text, "" for none."""
    if _is_repetition(text):
        return "repetition"
    if _is_symbols(text) and _is_symbols(CODE.sub("", text)):
        return "symbols"
    return "gibberish" if _is_gibberish(text) else ""


def _answer_problem(answer: str, *, may_be_leftover: bool) -> str:
    if not answer.strip(_PUNCTUATION):
        return "no_words"
    if may_be_leftover and _LEFTOVER.search(answer):
        return "leftover"
    return "shouting" if answer.isupper() and len(answer.split()) >= MIN_SHOUTED_WORDS else ""


def _is_repetition(text: str) -> bool:
    # Bytes, because their white space and case are those of `count_words`, which must not overlook anything.
    words = text.encode("utf-8", "surrogatepass").lower().split()
    if len(words) < MIN_REPETITION_WORDS or sum(w.isalpha() for w in words) * 2 < len(words):
        return False
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return 1 - len(set(triples)) / len(triples) > MAX_REPEATED_TRIPLES


def _is_symbols(text: str) -> bool:
    """Hardly a letter or digit among ASCII signs. What is not ASCII counts as letters: other scripts, emoji."""
    raw = text.encode("utf-8", "surrogatepass")
    letters = len(raw.translate(None, _NOT_LETTERS))
    if letters * 5 >= len(raw):
        return False
    signs = len(raw.translate(None, _SPACES))
    return signs >= MIN_SYMBOL_CHARACTERS and letters < MIN_LETTER_SHARE * signs


def _is_gibberish(text: str) -> bool:
    """Fingers run over the keyboard, or one key held down, for at least half of the letters."""
    runs = sum(len(m[0]) for m in _KEY_RUN.finditer(text))
    return runs > 0 and runs >= MIN_GIBBERISH_SHARE * sum(c.isalpha() for c in text)
