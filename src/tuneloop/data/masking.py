"""Rows as people may see them: what was found is named by its kind, and what could still be somebody is blocked out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tuneloop.data.name_verdicts import is_ordinary
from tuneloop.data.person_names import spans_by_form
from tuneloop.data.pii import PLACEHOLDER, find_spans

BLOCK = "▒"
MAX_BLOCKS = 8
MAX_WORD = 24
ELLIPSIS = "…"
READ_AHEAD = 4
"""So many times what is shown is read, so that a finding at the edge is recognised as a whole."""

_TOKEN = re.compile(r"\s+|[^\s<]+|<")
_CORE = re.compile(r"[^\W_].*[^\W_]|[^\W_]", re.DOTALL)
_DIGITS = re.compile(r"\d{3,}")
_CODE = re.compile(r"[^\W\d_]\d|\d[^\W\d_]|[_@/\\=]|[^\W\d_]\.[^\W\d_]|[a-zß-ÿ][A-Z]|\d[.:-]\d")
_FIRST_PERSON = re.compile(r"I(?:['\u2019](?:m|ve|ll|d))?")
_SENTENCE_END = (".", "!", "?", ":", '."', '?"', '!"')


def shown(text: str, *, characters: int = 160) -> str:
    """`text` on one line, at most `characters` long, safe for any reader.

    Findings become `<kind>`. Because no search finds everything, the rest is masked as well: runs of three digits and
    more, words that look like codes, capitalised words (but an everyday word that opens a sentence), and scripts
    without capitals. Names written small are only masked where the form gives them away ("my name is").
    """
    ahead = text[: characters * READ_AHEAD]
    masked = "".join(_masked(_with_kinds(ahead)))
    is_cut = len(masked) > characters or len(ahead) < len(text)
    return masked[: characters - 1] + ELLIPSIS if is_cut else masked


def _with_kinds(text: str) -> str:
    spans = find_spans(text)
    spans += [s for s in spans_by_form(text) if all(s[1] <= start or s[0] >= end for start, end, _ in spans)]
    for start, end, kind in sorted(spans, reverse=True):
        text = f"{text[:start]}<{kind}>{text[end:]}"
    return text


def _masked(text: str) -> Iterator[str]:
    position, opens = 0, True
    for placeholder in [*PLACEHOLDER.finditer(text), None]:
        end = placeholder.start() if placeholder else len(text)
        for token in _TOKEN.findall(text[position:end]):
            yield _visible(token, opens=opens)
            opens = "\n" in token or token.endswith(_SENTENCE_END) or (opens and not token.strip())
        if placeholder:
            yield placeholder[0]
            position, opens = placeholder.end(), False


def _visible(token: str, *, opens: bool) -> str:
    if not token.strip():
        return " " if token.isprintable() else "".join(map(_character, token))
    return "".join(map(_character, _CORE.sub(lambda m: _word(m[0], opens=opens), token, count=1)))


def _word(word: str, *, opens: bool) -> str:
    if _FIRST_PERSON.fullmatch(word):
        return word
    if len(word) > MAX_WORD or _CODE.search(word) or _has_letters_without_case(word):
        return BLOCK * min(len(word), MAX_BLOCKS)
    if any(c.isupper() for c in word) and not (opens and _is_everyday(word)):
        return re.sub(r"\w+", lambda m: BLOCK * min(len(m[0]), MAX_BLOCKS), word)
    return _DIGITS.sub(lambda m: "#" * min(len(m[0]), MAX_BLOCKS), word)


def _is_everyday(word: str) -> bool:
    stem = re.split(r"['\u2019-]", word)[0]
    return word == "A" or (word[1:].islower() and is_ordinary(stem))


def _has_letters_without_case(word: str) -> bool:
    return any(c.isalpha() and not c.islower() and not c.isupper() for c in word)


def _character(character: str) -> str:
    """What cannot be seen is written out: line ends, zero-width spaces, marks that turn the direction of writing."""
    if character == "\n":
        return "⏎"
    if character.isprintable() or character == " ":
        return character
    return f"\\u{ord(character):04x}" if unicodedata.category(character)[0] in "CZ" else character
