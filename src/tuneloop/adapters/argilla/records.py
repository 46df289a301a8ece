"""Records that are sent to Argilla, and the responses that come back, page by page."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import httpx

from tuneloop.adapters.argilla.connection import Json
from tuneloop.adapters.argilla.questions import (
    ALTERNATIVE,
    ALTERNATIVE_MODEL,
    ANSWER,
    COMPARISONS,
    CONVERSATION,
    CORRECTION,
    DIMENSIONS,
    FAILURE,
    FIT,
    FLAGGED,
    ISSUES,
    JOINER,
    KIND,
    MODEL,
    NEITHER,
    ORIGINAL,
    PREFERRED,
    PREFILLED,
    PROMPT,
    RATING,
    REVIEWER,
    SAID,
    SEVERITY,
    SIDE_BY_SIDE,
    VECTOR,
    VERDICT,
    defused,
    restored,
    storable,
)
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewAnswer, ReviewForm, ReviewItem, ReviewKind
from tuneloop.review.collecting import FLAG, changed

PAGE = 1000
"""The most that Argilla gives at a time, and the fastest: each page is a query that skips all records before it."""
_READINGS = 3


def records_in(http: httpx.Client, dataset: str, *, include: str | None = None) -> Iterator[Json]:
    """All records of a dataset; with `include="responses"`, everybody's responses come along.

    Argilla pages by the time of insertion, which records of one batch can share, so that a page may repeat one of the
    page before and leave another out. What was left out is found with pages cut elsewhere.

    Raises:
        ServiceError: it was not found; the next attempt will.
    """
    seen: set[str] = set()
    total = 0
    for reading in range(_READINGS):
        for page in _pages(http, dataset, include, PAGE - 7 * reading):
            total = page["total"]
            for record in page["items"]:
                if record["id"] not in seen:
                    seen.add(record["id"])
                    yield record
        if len(seen) >= total:
            return
    raise ServiceError(f"Argilla showed only {len(seen)} of {total} records; try again")


def _pages(http: httpx.Client, dataset: str, include: str | None, size: int) -> Iterator[Json]:
    query = {"include": include} if include else {}
    offset = 0
    while True:
        where = query | {"offset": str(offset), "limit": str(size)}
        page: Json = http.get(f"datasets/{dataset}/records", params=where).raise_for_status().json()
        yield page
        offset += len(page["items"])
        if len(page["items"]) < size:
            return


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


Preferred = Literal["answer", "alternative", "tie"]


def kind_of(dataset: Mapping[str, Any]) -> ReviewKind:
    """The kind of a review set; sets of earlier versions, and those made by hand, ask about answers."""
    known: dict[str, ReviewKind] = {kind: kind for kind in get_args(ReviewKind)}
    return known.get((dataset.get("metadata") or {}).get(KIND, ""), "answers")


def dimensions_of(dataset: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple((dataset.get("metadata") or {}).get(DIMENSIONS) or ())


def answer_of(
    record: Mapping[str, Any], response: Mapping[str, Any], dataset: Mapping[str, Any], pseudonym: Callable[[str], str]
) -> ReviewAnswer:
    """What one person said of one record.

    `pseudonym` turns a user id into a reviewer id. A record without an external id was made by hand in Argilla: its
    item id is made of Argilla's own.
    """
    values = {name: given["value"] for name, given in (response["values"] or {}).items()}
    fields, metadata = record["fields"], record.get("metadata") or {}
    prompt, answer, alternative = _texts(fields)
    flag = values.get(FLAGGED)
    return ReviewAnswer(
        response_id=response["id"],
        item_id=restored(record["external_id"] or "") or f"argilla-{record['id']}",
        review_set=dataset["name"],
        kind=kind_of(dataset),
        reviewer=pseudonym(response["user_id"]),
        submitted_at=_utc(response["updated_at"]),
        started_at=_utc(response["inserted_at"]),
        status=response["status"],
        prompt=prompt,
        answer=answer,
        model=restored(metadata.get(MODEL, "")),
        alternative=alternative,
        alternative_model=restored(metadata.get(ALTERNATIVE_MODEL, "")),
        rating=values.get(RATING),
        issues=(*values.get(ISSUES, ()), *([FLAG + flag] if flag else [])),
        correction=changed(answer, restored(values.get(CORRECTION) or "")),
        dimensions={name: values[name] for name in dimensions_of(dataset) if name in values},
        preferred=_preferred(values.get(PREFERRED)),
        labels=_labels(metadata, fields) | _said(values),
    )


def _texts(fields: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """The message, the answer, and the one that it is compared with where there is one."""
    if CONVERSATION in fields:
        return _turns(fields[CONVERSATION], "user"), _turns(fields[CONVERSATION], "assistant"), None
    prompt, pair = fields.get(PROMPT), fields.get(SIDE_BY_SIDE) or fields
    message = _turns(prompt, "user") if isinstance(prompt, list) else restored(prompt or "")
    return message, restored(pair.get(ANSWER) or ""), restored(pair.get(ALTERNATIVE) or "") or None


def _turns(chat: Iterable[Mapping[str, str]], role: str) -> str:
    """What one side said; a long text comes in several messages."""
    said = "".join(turn["content"] for turn in chat if turn["role"] == role)
    return "" if said == JOINER else restored(said)


def _preferred(value: str | None) -> Preferred | None:
    known: dict[str | None, Preferred] = {"answer": "answer", "alternative": "alternative", "tie": "tie"}
    return known.get(value)


def _labels(metadata: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, str]:
    """The record's words; scores are numbers."""
    words = {name: restored(value) for name, value in metadata.items() if isinstance(value, str)}
    original = {ORIGINAL: restored(fields[ORIGINAL])} if fields.get(ORIGINAL) else {}
    return _without(words, {MODEL, ALTERNATIVE_MODEL}) | original


def _said(values: Mapping[str, Any]) -> dict[str, str]:
    """Answers to the questions that `ReviewAnswer` has no field for."""
    said = {name: values[name] for name in (FIT, FAILURE, SEVERITY) if values.get(name)}
    return said | ({VERDICT: NEITHER} if values.get(PREFERRED) == NEITHER else {})


def _without(words: dict[str, str], names: Collection[str]) -> dict[str, str]:
    return {name: word for name, word in words.items() if name not in names}


def _utc(time: str) -> str:
    """Argilla's times are UTC and do not say so."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat(timespec="microseconds")
