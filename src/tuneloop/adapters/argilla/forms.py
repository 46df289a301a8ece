"""The forms that reviewers fill in: fields, guidelines and the names of sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tuneloop.adapters.argilla.connection import Json
from tuneloop.adapters.argilla.questions import (
    ALTERNATIVE,
    ALTERNATIVE_MODEL,
    ANSWER,
    COMPARISONS,
    CONVERSATION,
    DIMENSIONS,
    HIDDEN,
    KIND,
    MODEL,
    ORIGINAL,
    PROMPT,
    SAID,
    SIDE_BY_SIDE,
    VECTOR,
)
from tuneloop.adapters.argilla.records import labels_of, scores_of
from tuneloop.ports import ReviewForm, ReviewItem, ReviewKind

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


_COLUMNS = """<style>
  .pair {display: flex; flex-wrap: wrap; gap: 12px; color: var(--fg-primary); font: 15px/1.5 sans-serif}
  .side {flex: 1 1 260px; min-width: 0; border: 1px solid rgba(128, 128, 128, .4); border-radius: 6px; padding: 12px}
  .side b {display: block; margin-bottom: 8px; font-size: 14px}
  .side p {margin: 0; white-space: pre-wrap; overflow-wrap: anywhere}
</style>
<div class="pair">
  <div class="side"><b>NAME A</b><p>{{record.fields.answers.answer}}</p></div>
  <div class="side"><b>NAME B</b><p>{{record.fields.answers.alternative}}</p></div>
</div>"""


def dataset_of(name: str, workspace: str, form: ReviewForm) -> Json:
    """The dataset itself; it remembers its kind, since names and questions do not tell all of them apart."""
    return {
        "name": name,
        "workspace_id": workspace,
        "guidelines": guidelines_of(form),
        "distribution": {"strategy": "overlap", "min_submitted": form.min_submitted},
        "allow_extra_metadata": True,
        "metadata": {KIND: form.kind, DIMENSIONS: list(form.dimensions)},
    }


def fields_of(form: ReviewForm) -> list[Json]:
    """What people see of an item, from top to bottom."""
    title = _PROMPTS.get(form.kind, "The message")
    if form.kind == "preference":
        return [_prompt(form, title), *_pair(form, "The two answers", "Answer")]
    if form.kind == "adjudication":
        original = _text(ORIGINAL, "The model's answer", form)
        said = _field(SAID, "What the reviewers said", {"type": "text", "use_markdown": False}, required=False)
        return [_prompt(form, title), original, said, *_pair(form, "The two versions", "Version")]
    if form.text_format == "chat":
        return [_field(CONVERSATION, "The conversation", _CHAT)]
    return [_prompt(form, title), _text(ANSWER, _ANSWERS.get(form.kind, "The model's answer"), form)]


_CHAT = {"type": "chat", "use_markdown": True}
_PROMPTS: dict[ReviewKind, str] = {"red_team": "The attempt to lead the model astray"}
_ANSWERS: dict[ReviewKind, str] = {"data_sample": "The answer the model would learn"}


def _pair(form: ReviewForm, title: str, name: str) -> list[Json]:
    """Beside each other where they are plain text; Argilla renders Markdown only one below the other."""
    if form.text_format == "plain":
        template = {"type": "custom", "template": _COLUMNS.replace("NAME", name), "advanced_mode": False}
        return [_field(SIDE_BY_SIDE, title, template)]
    return [_text(ANSWER, f"{name} A", form), _text(ALTERNATIVE, f"{name} B", form)]


def _prompt(form: ReviewForm, title: str) -> Json:
    return _field(PROMPT, title, _CHAT) if form.text_format == "chat" else _text(PROMPT, title, form, required=True)


def _text(name: str, title: str, form: ReviewForm, *, required: bool = False) -> Json:
    settings = {"type": "text", "use_markdown": form.text_format != "plain"}
    return _field(name, title, settings, required=required)


def _field(name: str, title: str, settings: Json, *, required: bool = True) -> Json:
    return {"name": name, "title": title, "required": required, "settings": settings}


def metadata_of(items: Iterable[ReviewItem], form: ReviewForm) -> list[Json]:
    """What the items can be filtered and sorted by. Nobody but owners is shown which model wrote what."""
    items = list(items)
    labels = sorted({name for item in items for name in labels_of(item, form.kind)})
    scores = sorted({name for item in items for name in scores_of(item)} - set(labels))
    models = [MODEL, ALTERNATIVE_MODEL] if form.kind in COMPARISONS else [MODEL]
    return [
        *(_property(name, "terms", hidden=name.startswith(HIDDEN)) for name in labels),
        *(_property(name, "float", hidden=False) for name in scores),
        *(_property(name, "terms", hidden=True) for name in models),
    ]


def _property(name: str, kind: str, *, hidden: bool) -> Json:
    title = name.strip("_").replace("_", " ") or name
    return {"name": name, "title": title, "settings": {"type": kind}, "visible_for_annotators": not hidden}


def vectors_of(items: Sequence[ReviewItem]) -> list[dict[str, Any]]:
    """The vector that "find similar" goes by; its length is that of the first item that has one."""
    lengths = [len(item.vector) for item in items if item.vector is not None]
    return [{"name": VECTOR, "title": "Meaning", "dimensions": lengths[0]}] if lengths else []
