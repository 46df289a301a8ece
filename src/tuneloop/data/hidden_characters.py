"""Characters that nobody sees, where no script needs them: they part a word, turn what stands where, or spell out a
text of their own. Unicode Standard Annexes 9 (directions) and 31 (joiners), Technical Standard 51 (emoji).

At home are joiners in Arabic and Indic scripts and in emoji, direction marks in texts that are written from right to
left, invisible blanks in scripts that write none, and the tags of a flag.
"""

from __future__ import annotations

import re

_BLANK = "\u200b\u2060\ufeff"
_JOINER = "\u200c\u200d"
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_TAG = "\U000e0000-\U000e007f"
_SELECTOR = "\ufe00-\ufe0f\U000e0100-\U000e01ef"

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_EMOJI = re.compile("[\u00a9\u00ae\u203c-\u2bff\u3030-\u303d\u3297-\u3299\ufe0f\U0001f000-\U0001faff]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
_JOINED = re.compile(
    "[\u0590-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\ua8ff\ua930-\uabff\ufb1d-\ufdff\ufe70-\ufefc"
    "\U00010800-\U00011fff\U0001e800-\U0001efff]"
)
"""Scripts whose letters change where they meet, from Hebrew and Arabic to those of India: joiners decide how."""
_UNSPACED = "\u0e00-\u109f\u1780-\u17ff\u1950-\u1aaf\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
"""Scripts that write no blanks: an invisible one says where a line may end."""

_STRANGE = (
    re.compile(f"(?<=[^\\W{_UNSPACED}])[{_BLANK}]+(?=[^\\W{_UNSPACED}])"),
    re.compile(f"[{_BLANK}]{{2,}}|[{_JOINER}]{{3,}}|[{_SELECTOR}]{{2,}}"),  # a row of them can spell out anything
    re.compile(f"[{_TAG}]"),
)
_JOINERS = re.compile(f"[{_JOINER}]+")
_DIRECTIONS = re.compile(f"[{_DIRECTION}]")
_OVERRIDES = re.compile("[\u202d\u202e]")
_CLOSED_BY = {"\u202a": "\u202c", "\u202b": "\u202c", "\u2066": "\u2069", "\u2067": "\u2069", "\u2068": "\u2069"}
_READ = re.compile(f"[{_BLANK}{_JOINER}{_DIRECTION}{_TAG}]")


def has_hidden_characters(text: str) -> bool:
    """Whether there is a character that nobody sees and no script needs where it stands."""
    if text.isascii():
        return False
    text = _FLAG.sub("", text)
    return any(p.search(text) for p in _STRANGE) or _joins_nothing(text) or _turns_strangely(text)


def without_hidden(text: str) -> str:
    """The text as a model may read it: invisible characters left out, tags as the letters that they stand for."""
    return text if text.isascii() else _READ.sub(_letter, text)


def _letter(found: re.Match[str]) -> str:
    code = ord(found[0]) - 0xE0000
    return chr(code) if chr(max(code, 0)).isprintable() and code > 0 else ""


def _joins_nothing(text: str) -> bool:
    return not all(_is_at_home(found) for found in _JOINERS.finditer(text))


def _is_at_home(joiners: re.Match[str]) -> bool:
    """Beside a letter that changes where it meets another, or between two emoji."""
    start, end = joiners.span()
    sides = (joiners.string[max(start - 1, 0) : start], joiners.string[end : end + 1])
    return any(map(_JOINED.match, sides)) or (joiners[0] == "\u200d" and all(map(_EMOJI.match, sides)))


def _turns_strangely(text: str) -> bool:
    if not _DIRECTIONS.search(text):
        return False
    has_reason = _RIGHT_TO_LEFT.search(text) is not None and not _OVERRIDES.search(text)
    return not (has_reason and all(map(_is_balanced, text.splitlines())))


def _is_balanced(line: str) -> bool:
    """Whether what the line opens is closed in it, the last one first; a line's end closes all the rest unseen."""
    waiting: list[str] = []
    for mark in _DIRECTIONS.findall(line):
        if mark in _CLOSED_BY:
            waiting.append(_CLOSED_BY[mark])
        elif mark in _CLOSED_BY.values() and (not waiting or waiting.pop() != mark):
            return False
    return not waiting
