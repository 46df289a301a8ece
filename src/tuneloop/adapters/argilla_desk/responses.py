"""What one person said of one record, read back. By names alone: titles, orders and descriptions may have changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from tuneloop.adapters.argilla_desk.names import (
    ALTERNATIVE,
    ALTERNATIVE_MODEL,
    ANSWER,
    CONVERSATION,
    CORRECTION,
    DIMENSIONS,
    FAILURE,
    FIT,
    FLAGGED,
    ISSUES,
    KIND,
    MODEL,
    NEITHER,
    ORIGINAL,
    PREFERRED,
    PROMPT,
    RATING,
    SEVERITY,
    SIDE_BY_SIDE,
    VERDICT,
)
from tuneloop.adapters.argilla_desk.texts import JOINER, restored
from tuneloop.ports import ReviewAnswer, ReviewKind
from tuneloop.review.collecting import FLAG, changed

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
