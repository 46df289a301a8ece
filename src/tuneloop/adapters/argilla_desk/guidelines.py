"""What stands under Guidelines on the page of a review set: what is to be done there, then the house rules."""

from __future__ import annotations

import re

from tuneloop.ports import ReviewForm, ReviewKind

SIGNS = 10_000
"""The longest guidelines that Argilla takes."""

_INTRODUCTIONS: dict[ReviewKind, str] = {
    "answers": "You see a message and what the model answered. Rate the answer, say what is wrong with it, and write "
    "what you would have sent: your version is what the model learns next.",
    "preference": "You see a message and two answers, in no particular order. Say which one you would rather send.",
    "data_sample": "You see a row that a model is about to learn from: a message, and the answer to be learned. Keep "
    "it, mend it, or leave it out.",
    "red_team": "You see a message that was written to lead the model astray, and what it answered. An automatic "
    "check took the answer for a failure; say whether it is one, how bad it is, and what would have been right.",
    "drifted_slice": "People have begun to write about something new. You see such a message and what the model "
    "answered. Rate the answer, say what is wrong with it, and write what you would have sent.",
    "adjudication": "Two reviewers did not agree. You see what each of them said and wrote; your word is final.",
}
_LAST_WORDS = (
    "Questions marked with * must be answered. **Submit** sends what you said, **Save as draft** keeps it for later, "
    "**Discard** is for what you cannot judge. What you have submitted can be changed."
)
_FENCE = re.compile(r"\s*(```|~~~)")
_OWN_LINE = re.compile(r"\s*([-*+>|#]|\d+[.)]\s|$)|    |\t")
"""Lists, quotes, tables, headings, blank lines, indented code."""
_HARD_BREAK = re.compile(r"(  |\\)$")


def guidelines_of(form: ReviewForm) -> str:
    """Markdown, cut where Argilla takes no more."""
    rules = unwrapped(form.guidelines.strip())
    whole = "\n\n".join(filter(None, (_INTRODUCTIONS[form.kind], _LAST_WORDS, rules)))
    if len(whole) <= SIGNS:
        return whole
    ending = "\n\n(Cut here: Argilla takes no more.)"
    return whole[: SIGNS - len(ending)] + ending


def unwrapped(markdown: str) -> str:
    """Each paragraph on one line: Argilla's page keeps the line breaks of a file that is wrapped at some column."""
    lines: list[str] = []
    is_code = joins = False
    for line in markdown.splitlines():
        is_fence = _FENCE.match(line) is not None
        if joins and not is_fence and not _OWN_LINE.match(line):
            lines[-1] += " " + line.strip()
        else:
            lines.append(line)
        is_code ^= is_fence
        joins = not (is_code or is_fence or _ends_here(lines[-1]) or _HARD_BREAK.search(line))
    return "\n".join(lines)


def _ends_here(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith(("#", "|"))
