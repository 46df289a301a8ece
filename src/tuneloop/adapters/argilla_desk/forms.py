"""A review set of each kind as Argilla's dataset: what is shown, what can be filtered by, how many people answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tuneloop.adapters.argilla_connection import Json
from tuneloop.adapters.argilla_desk.guidelines import guidelines_of
from tuneloop.adapters.argilla_desk.names import (
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
from tuneloop.adapters.argilla_desk.records import labels_of, scores_of
from tuneloop.ports import ReviewForm, ReviewItem, ReviewKind

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
