"""Argilla as the review desk: review sets are datasets of one workspace, reviewers are its users.

The SDK makes the connection, the workspace and the datasets; records and responses go through its HTTP client as plain
JSON, because the SDK's own objects drop a response's id and time.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import httpx

from tuneloop.adapters.argilla_connection import (
    WORKSPACE,
    connect,
    ensure_workspace,
    items_at,
    let_everybody_in,
    service,
)
from tuneloop.ports import ReviewAnswer, ReviewForm, ReviewItem, SetProgress
from tuneloop.review.collecting import FLAG, changed

PROMPT, ANSWER = "prompt", "answer"
RATING, ISSUES, CORRECTION, FLAGGED = "rating", "issues", "correction", "flag"
MODEL, VECTOR = "model", "meaning"
FLAGS = {
    "personal_data": "A real person can be recognised",
    "harmful": "Nobody should be shown this",
    "unanswerable": "There is no right answer",
}
_PAGE = 200
_BATCH = 100


class ArgillaDesk:
    """A `ReviewDesk` on an Argilla 2.8 server.

    Args:
        url: of the server. api_key: of an owner (needed to make the workspace and to read everybody's responses).
        pseudonym_key: what reviewers' ids are hashed with, see `tuneloop.pseudonyms`; None: derived from the API
            key, so pseudonyms change with it.
        public_url: the address people open, where it differs from `url`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        pseudonym_key: bytes | None = None,
        public_url: str | None = None,
        workspace: str = WORKSPACE,
        timeout_seconds: int = 60,
    ) -> None:
        self._url = url.rstrip("/")
        self._public_url = (public_url or url).rstrip("/")
        self._api_key = api_key
        self._pseudonym_key = pseudonym_key or hashlib.sha256(b"tuneloop reviewer " + api_key.encode()).digest()
        self._workspace = workspace
        self._timeout_seconds = timeout_seconds

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        """Create the review set if it is not there, add the items that are missing, return its web address.

        An item id is published once, whatever is cut off or repeated. Every user of the server is let in.

        Raises:
            ServiceError: the server is not there or refuses us.
        """
        with service(self._url):
            workspace = ensure_workspace(self._client, self._workspace)
            let_everybody_in(self._http, workspace)
            dataset = self._ready_dataset(name, workspace)
            if dataset is None:
                self._create(name, items, form)
                dataset = self._ready_dataset(name, workspace)
                assert dataset is not None
            self._add_missing(dataset, items)
        return f"{self._public_url}/dataset/{dataset}/annotation-mode"

    def answers(self, project: str) -> list[ReviewAnswer]:
        """All responses, whatever their status, of all review sets whose name starts with `project`, oldest first.

        Raises:
            ServiceError: the server is not there or refuses us.
        """
        with service(self._url):
            found = [
                answer_of(record, response, dataset["name"], self._pseudonym)
                for dataset in self._published(project)
                for record in self._records(dataset["id"])
                for response in record.get("responses") or ()
            ]
        return sorted(found, key=lambda answer: (answer.submitted_at, answer.response_id))

    def progress(self, project: str) -> list[SetProgress]:
        """How far the review sets are whose name starts with `project`, in the order of their names.

        Raises:
            ServiceError: the server is not there or refuses us.
        """
        with service(self._url):
            return [self._progress_of(dataset) for dataset in self._published(project)]

    def _progress_of(self, dataset: Mapping[str, Any]) -> SetProgress:
        path = f"/api/v1/datasets/{dataset['id']}"
        done = self._http.get(f"{path}/progress").raise_for_status().json()
        people = self._http.get(f"{path}/users/progress").raise_for_status().json()["users"]
        answered = {u["username"]: u["pending"]["submitted"] + u["pending"]["discarded"] for u in people}
        members = items_at(self._http, f"/api/v1/workspaces/{dataset['workspace_id']}/users")
        return SetProgress(
            review_set=dataset["name"],
            kind="answers",
            url=f"{self._public_url}/dataset/{dataset['id']}/annotation-mode",
            records=done["total"],
            completed=done["completed"],
            min_submitted=dataset["distribution"]["min_submitted"],
            waiting={
                self._pseudonym(user["id"]): done["pending"] - answered.get(user["username"], 0) for user in members
            },
        )

    def _published(self, project: str) -> list[dict[str, Any]]:
        found = [d for d in self._datasets() if d["name"].startswith(project) and d["status"] == "ready"]
        return sorted(found, key=lambda dataset: str(dataset["name"]))

    @cached_property
    def _client(self) -> Any:
        return connect(self._url, self._api_key, self._timeout_seconds)

    @property
    def _http(self) -> httpx.Client:
        http: httpx.Client = self._client.http_client
        return http

    def _pseudonym(self, user_id: str) -> str:
        return "reviewer-" + hmac.new(self._pseudonym_key, user_id.encode(), hashlib.sha256).hexdigest()[:12]

    def _datasets(self) -> list[dict[str, Any]]:
        workspaces = items_at(self._http, "/api/v1/me/workspaces")
        ids = {w["id"] for w in workspaces if w["name"] == self._workspace}
        return [d for d in items_at(self._http, "/api/v1/me/datasets") if d["workspace_id"] in ids]

    def _ready_dataset(self, name: str, workspace: str) -> str | None:
        """Id of the dataset that people can see. A draft was cut off while being made and holds nothing: it goes."""
        for dataset in self._datasets():
            if dataset["name"] == name and dataset["workspace_id"] == workspace:
                if dataset["status"] == "ready":
                    return str(dataset["id"])
                self._http.delete(f"/api/v1/datasets/{dataset['id']}").raise_for_status()
        return None

    def _create(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> None:
        import argilla

        settings = _settings(self._client, items, form)
        argilla.Dataset(name=name, workspace=self._workspace, settings=settings, client=self._client).create()

    def _add_missing(self, dataset: str, items: Sequence[ReviewItem]) -> None:
        there = {record["external_id"] for record in self._records(dataset)}
        questions = {q["name"]: q["id"] for q in items_at(self._http, f"/api/v1/datasets/{dataset}/questions")}
        missing = {item.id: item for item in items if item.id not in there}
        rows = [record_of(item, questions[CORRECTION]) for item in missing.values()]
        for start in range(0, len(rows), _BATCH):
            path = f"/api/v1/datasets/{dataset}/records/bulk"
            self._http.post(path, json={"items": rows[start : start + _BATCH]}).raise_for_status()

    def _records(self, dataset: str) -> Iterator[dict[str, Any]]:
        """All records with everybody's responses."""
        offset = 0
        while True:
            query: dict[str, str | int] = {"include": "responses", "offset": offset, "limit": _PAGE}
            page = items_at(self._http, f"/api/v1/datasets/{dataset}/records", query)
            yield from page
            offset += len(page)
            if len(page) < _PAGE:
                return


def record_of(item: ReviewItem, correction_question: str) -> dict[str, Any]:
    """The item as Argilla's record. The answer is pre-filled as the correction, so that people edit, not retype."""
    record: dict[str, Any] = {
        "external_id": item.id,
        "fields": {PROMPT: _storable(item.prompt), ANSWER: _storable(item.answer)},
        "metadata": {MODEL: item.model} | _finite(item.scores),
    }
    if item.answer.strip():
        record["suggestions"] = [
            {"question_id": correction_question, "value": _storable(item.answer), "agent": item.model, "type": "model"}
        ]
    if item.vector is not None:
        record["vectors"] = {VECTOR: [float(x) for x in item.vector]}
    return record


def answer_of(record: Mapping[str, Any], response: Mapping[str, Any], review_set: str, pseudonym: Any) -> ReviewAnswer:
    """What one person said of one record; `pseudonym` turns a user id into a reviewer id."""
    values = {name: given["value"] for name, given in (response["values"] or {}).items()}
    answer = record["fields"].get(ANSWER) or ""
    flag = values.get(FLAGGED)
    return ReviewAnswer(
        response_id=response["id"],
        item_id=record["external_id"],
        review_set=review_set,
        reviewer=pseudonym(response["user_id"]),
        submitted_at=_utc(response["updated_at"]),
        started_at=_utc(response["inserted_at"]),
        status=response["status"],
        prompt=record["fields"].get(PROMPT) or "",
        answer=answer,
        model=(record.get("metadata") or {}).get(MODEL, ""),
        rating=values.get(RATING),
        issues=(*values.get(ISSUES, ()), *([FLAG + flag] if flag else [])),
        correction=changed(answer, values.get(CORRECTION)),
    )


def _settings(client: Any, items: Sequence[ReviewItem], form: ReviewForm) -> Any:
    import argilla as rg

    scores = sorted({name for item in items for name in _finite(item.scores)})
    dimensions = {len(item.vector) for item in items if item.vector is not None}
    return rg.Settings(
        guidelines=form.guidelines.strip() or None,
        # Markdown off: prompts and answers are shown as they are, never rendered.
        fields=[
            rg.TextField(PROMPT, title="The message", use_markdown=False, client=client),
            rg.TextField(ANSWER, title="The model's answer", use_markdown=False, client=client, required=False),
        ],
        questions=_questions(client, form.issue_tags),
        metadata=[
            rg.TermsMetadataProperty(MODEL, client=client),
            *(rg.FloatMetadataProperty(name, client=client) for name in scores),
        ],
        vectors=[rg.VectorField(VECTOR, dimensions=d, _client=client) for d in dimensions],
        distribution=rg.TaskDistribution(min_submitted=form.min_submitted),
        allow_extra_metadata=True,
    )


def _questions(client: Any, issue_tags: Sequence[str]) -> list[Any]:
    import argilla as rg

    tags = list(dict.fromkeys(issue_tags))
    tags += ["other"] if len(tags) == 1 else []  # Argilla wants two options at least
    issues = {"title": "What is wrong with it?", "required": False, "client": client}
    return [
        rg.RatingQuestion(
            RATING,
            values=[1, 2, 3, 4, 5],
            title="How good is the answer?",
            required=True,
            client=client,
            description="1: unusable, 5: send it as it is",
        ),
        *([rg.MultiLabelQuestion(ISSUES, labels=tags, **issues)] if tags else []),
        rg.TextQuestion(
            CORRECTION,
            title="The answer you would have sent",
            required=False,
            use_markdown=False,
            client=client,
            description="Change what is wrong; leave it as it is if nothing is",
        ),
        rg.LabelQuestion(
            FLAGGED, labels=FLAGS, title="Must this be kept out of training?", required=False, client=client
        ),
    ]


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores under names that Argilla takes; NaN and infinity have no JSON."""
    return {re.sub(r"[^a-z0-9_-]", "_", k.lower()): float(v) for k, v in scores.items() if math.isfinite(v)}


def _utc(time: str) -> str:
    """Argilla's times are UTC and do not say so."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat(timespec="microseconds")


def _storable(text: str) -> str:
    """Half surrogates cannot be sent and PostgreSQL refuses the zero character; a model can write both."""
    return text.encode(errors="replace").decode().replace("\x00", "\ufffd")
