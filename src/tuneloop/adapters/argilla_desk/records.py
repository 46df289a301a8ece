"""A review item as Argilla's record."""

from __future__ import annotations

import math
import re

from tuneloop.adapters.argilla_connection import Json
from tuneloop.adapters.argilla_desk.names import (
    ALTERNATIVE,
    ALTERNATIVE_MODEL,
    ANSWER,
    COMPARISONS,
    CONVERSATION,
    MODEL,
    ORIGINAL,
    PROMPT,
    REVIEWER,
    SAID,
    SIDE_BY_SIDE,
    VECTOR,
)
from tuneloop.adapters.argilla_desk.questions import PREFILLED
from tuneloop.adapters.argilla_desk.texts import JOINER, defused, storable
from tuneloop.ports import ReviewForm, ReviewItem, ReviewKind

_CHAT_SIGNS = 20_000
"""The longest message of a chat that Argilla takes."""


def record_of(item: ReviewItem, form: ReviewForm, correction_question: str) -> Json:
    """The item as Argilla's record; its id there is the item's, so that it can be published only once."""
    record: Json = {
        "external_id": defused(item.id),
        "fields": _fields(item, form),
        "metadata": _metadata(item, form.kind),
    }
    if form.kind in PREFILLED and item.answer.strip():
        record["suggestions"] = [
            {
                "question_id": correction_question,
                "value": storable(item.answer),
                "type": "model",
            }  # no agent: it is shown
        ]
    if item.vector is not None:
        record["vectors"] = {VECTOR: [float(x) for x in item.vector]}
    return record


def _fields(item: ReviewItem, form: ReviewForm) -> Json:
    chat, prompt = form.text_format == "chat", defused(item.prompt)
    if form.kind not in COMPARISONS:
        if chat:
            return {CONVERSATION: _turn("user", prompt) + _turn("assistant", defused(item.answer))}
        return {PROMPT: prompt, ANSWER: defused(item.answer)}
    pair = {ANSWER: defused(item.answer), ALTERNATIVE: defused(item.alternative or "")}
    shown = {SIDE_BY_SIDE: pair} if form.text_format == "plain" else pair
    extra = _adjudicated(item) if form.kind == "adjudication" else {}
    return {PROMPT: _turn("user", prompt) if chat else prompt} | shown | extra


def _adjudicated(item: ReviewItem) -> Json:
    said = [
        f"Reviewer {name.removeprefix(REVIEWER).upper()}: {defused(text)}"
        for name, text in sorted(item.labels.items())
        if name.startswith(REVIEWER)
    ]
    return {ORIGINAL: defused(item.labels.get(ORIGINAL, "")), SAID: "\n\n".join(said)}


def _turn(role: str, text: str) -> list[Json]:
    """A turn of a chat; a long one in several messages, which must not be empty."""
    parts = [text[start : start + _CHAT_SIGNS] for start in range(0, len(text), _CHAT_SIGNS)] or [JOINER]
    return [{"role": role, "content": part} for part in parts]


def _metadata(item: ReviewItem, kind: ReviewKind) -> Json:
    models = {MODEL: item.model, ALTERNATIVE_MODEL: item.alternative_model}
    return scores_of(item) | labels_of(item, kind) | {name: defused(model) for name, model in models.items() if model}


def labels_of(item: ReviewItem, kind: ReviewKind) -> dict[str, str]:
    """The labels that become metadata: in adjudication, what is shown as a field is none."""
    shown = {ORIGINAL} if kind == "adjudication" else set()
    return {
        _slug(name): defused(value)
        for name, value in item.labels.items()
        if name not in shown and not (kind == "adjudication" and name.startswith(REVIEWER))
    }


def scores_of(item: ReviewItem) -> dict[str, float]:
    """Scores as metadata; NaN and infinity have no JSON."""
    return {_slug(name): float(score) for name, score in item.scores.items() if math.isfinite(score)}


def _slug(name: str) -> str:
    """A name that every search engine takes."""
    return re.sub(r"[^a-z0-9_-]", "_", name.lower())
