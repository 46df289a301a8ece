"""What must stay as it is when a text is said in other words: numbers, links, placeholders, quotations, code."""

from __future__ import annotations

import re

_CODE = r"```.*?(?:```|\Z)|`[^`\n]+`|^(?: {4}|\t|\$ |>>> )[^\n]*$"
_PLACEHOLDER = r"<[^<>\n]{1,60}>|\[[^\[\]\n]{1,60}\]"
_LINK = r"\b(?:https?|ftp)://\S+|\bwww\.\S+|(?<!\S)\S{1,64}@\S+"
_QUOTATION = r"\"[^\"\n]{1,200}\"|“[^”\n]{1,200}”|(?<!\w)['‘][^'’\n]{1,200}['’](?!\w)"  # noqa: RUF001 (as people write)
# Tried once per word, from its beginning, or a long run of letters would take quadratic time.
_BREAK = r"\s\"'()<>\[\]{}"
_WITH_DIGIT = rf"(?<![^{_BREAK}])[^{_BREAK}]*\d[^{_BREAK}]*"

_FIXED = re.compile(f"{_CODE}|{_PLACEHOLDER}|{_LINK}|{_QUOTATION}|{_WITH_DIGIT}", re.DOTALL | re.MULTILINE)
_NUMBER = re.compile(_WITH_DIGIT)
_MARK = re.compile(f"{_PLACEHOLDER}|{_LINK}")

_AT_THE_EDGES = " \t.,;:!?\"'“”‘’`"  # noqa: RUF001


def fixed_spans(text: str) -> list[tuple[int, int]]:
    """(start, end) of every stretch that must not be touched; from the first brace to the last is taken for JSON."""
    spans = [m.span() for m in _FIXED.finditer(text)]
    start, end = text.find("{"), text.rfind("}") + 1
    return [*spans, (start, end)] if 0 <= start < end else spans


def keeps_fixed_parts(original: str, new: str) -> bool:
    """Whether `new` has all numbers, links, placeholders, quotations and code of `original`, and no new numbers, links
    or placeholders."""
    if any(_found(p, original) != _found(p, new) for p in (_NUMBER, _MARK)):
        return False
    written = new.casefold()
    return all(_core(original[start:end]) in written for start, end in fixed_spans(original))


def _found(pattern: re.Pattern[str], text: str) -> set[str]:
    return {_core(m[0]) for m in pattern.finditer(text)} - {""}


def _core(part: str) -> str:
    """Without the punctuation around it: `MG-1.` at the end of a sentence is `MG-1`."""
    return part.strip(_AT_THE_EDGES).casefold()
