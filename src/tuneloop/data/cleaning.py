"""Repairs before the checks: what can be mended need not be set aside.

Each text is cleaned by itself, again until nothing changes, so that cleaning what is clean does nothing. A text of
which no word would remain stays as it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from tuneloop.data import boilerplate, mail, markup
from tuneloop.data.boilerplate import without_boilerplate
from tuneloop.data.hints import as_arrow, hinted
from tuneloop.data.mail import has_words, without_mail
from tuneloop.data.markup import without_markup
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Message, Record

STEPS = ("unicode", "html", "mail", "boilerplate")
"""Always in this order: markup hides mail headers, and mojibake hides markup."""
MAX_PASSES = 10
"""More than any text needs that people wrote."""

_HINTS = f"(?i)(?-i:[^\\x20-\\x7e\\n\\t])|{markup.HINTS}|{mail.HINTS}|{boilerplate.HINTS}"

Clean = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The rows in their order; `changed` counts the rows that each step changed."""

    records: list[Record]
    changed: Counter[str]


def clean(records: Sequence[Record], steps: Sequence[str], answer: AnswerFormat) -> Cleaned:
    """Apply `steps` (some of `STEPS`) to all turns and to the rejected answer; ids stay what they were.

    Of JSON answers only the texts in them are cleaned, without those of labels. System turns keep what looks like mail.
    """
    if not steps:
        return Cleaned(list(records), Counter())
    cleaner = _Cleaner(tuple(s for s in STEPS if s in steps), answer)
    changed: Counter[str] = Counter()
    rows = []
    for record, look in zip(records, _need_a_look(records), strict=True):
        by: set[str] = set()
        rows.append(cleaner.record(record, by) if look else record)
        changed.update(by)
    return Cleaned(rows, changed)


def clean_text(text: str, steps: Sequence[str], *, role: str = "user", by: set[str] | None = None) -> str:
    """One text; the names of the steps that changed it are added to `by`."""
    for _ in range(MAX_PASSES):
        before = text
        for step in steps:
            edited = _step(step, role)(text)
            if edited != text and edited.strip() and (has_words(edited) or not has_words(text)):
                text = edited
                if by is not None:
                    by.add(step)
        if text == before:
            break
    return text


@dataclass(frozen=True, slots=True)
class _Cleaner:
    steps: tuple[str, ...]
    answer: AnswerFormat

    def record(self, record: Record, by: set[str]) -> Record:
        *asked, last = record.messages
        turns = [Message(m.role, clean_text(m.content, self.steps, role=m.role, by=by)) for m in asked]
        rejected = record.rejected and self._answer(record.rejected, by)
        said = Message(last.role, self._answer(last.content, by))
        return replace(record, messages=(*turns, said), rejected=rejected) if by else record

    def _answer(self, text: str, by: set[str]) -> str:
        if self.answer.kind == "text":
            return clean_text(text, self.steps, role="assistant", by=by)
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        cleaned = self._value(value, by, self.answer.labels)
        return text if cleaned == value else json.dumps(cleaned, ensure_ascii=False)

    def _value(self, value: Any, by: set[str], labels: Mapping[str, Any]) -> Any:
        if isinstance(value, str):
            return clean_text(value, self.steps, role="assistant", by=by)
        if isinstance(value, list):
            return [self._value(v, by, {}) for v in value]
        if isinstance(value, dict):
            return {k: v if k in labels else self._value(v, by, {}) for k, v in value.items()}
        return value


def _need_a_look(records: Sequence[Record]) -> list[bool]:
    """Whether a step may change anything; most rows are plain, and one expression over all of them sees it."""
    parts = ([m.content for m in r.messages] + ([r.rejected] if r.rejected else []) for r in records)
    return [bool(look) for look in hinted(as_arrow(["\n".join(p) for p in parts]), _HINTS)]


def _step(step: str, role: str) -> Clean:
    if step == "unicode":
        return _repaired
    if step == "html":
        return without_markup
    if role == "system":
        return _unchanged
    if step == "mail":
        return _question if role == "user" else _answer
    return _matter


def _unchanged(text: str) -> str:
    return text


def _question(text: str) -> str:
    return without_mail(text, is_question=True)


def _answer(text: str) -> str:
    return without_mail(text, is_question=False)


def _matter(text: str) -> str:
    edited = without_boilerplate(text)
    return text if edited == text else edited.strip()


def _repaired(text: str) -> str:
    """Mojibake, control characters, line ends and halves of surrogate pairs; NFC. Typographic quotes stay."""
    import ftfy

    return str(ftfy.fix_text(text, _ftfy_settings()))


@cache
def _ftfy_settings() -> Any:
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False, fix_character_width=False, uncurl_quotes=False, explain=False, normalization="NFC"
    )
