"""The `AnnotationBackend` on an Argilla 2.8 server: publish review sets, read all responses, report progress."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import httpx

from tuneloop.adapters.argilla.connection import Json, connect, items_at, service
from tuneloop.adapters.argilla.forms import dataset_of, fields_of, metadata_of, vectors_of
from tuneloop.adapters.argilla.questions import CORRECTION, questions_of
from tuneloop.adapters.argilla.records import answer_of, kind_of, record_of, records_in
from tuneloop.adapters.argilla.teams import (
    ADJUDICATION,
    TEAM,
    let_adjudicate,
    let_in,
    members_of,
    pseudonym,
    workspaces,
)
from tuneloop.ports import ReviewAnswer, ReviewForm, ReviewItem, SetProgress

_BATCH = 100
"""Argilla takes 500 records at a time; they take as long each, and a batch must come back before the time is out."""


class ArgillaBackend:
    """A `AnnotationBackend` on an Argilla 2.8 server.

    Args:
        url: of the server. api_key: of an owner (needed to make workspaces and to read everybody's responses).
        pseudonym_key: what reviewers' ids are hashed with, see `tuneloop.pseudonyms`; None: derived from the API
            key, so pseudonyms change with it.
        public_url: the address people open, where it differs from `url`.
        workspace: the team. annotators: usernames of its members; none: every user of the server.
        adjudicators: usernames of those who see the team's adjudication sets; none: owners alone.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        pseudonym_key: bytes | None = None,
        public_url: str | None = None,
        workspace: str = TEAM,
        annotators: Sequence[str] = (),
        adjudicators: Sequence[str] = (),
        timeout_seconds: float = 60,
    ) -> None:
        self._url = url.rstrip("/")
        self._public_url = (public_url or url).rstrip("/")
        self._api_key = api_key
        self._pseudonym_key = pseudonym_key or hashlib.sha256(b"tuneloop reviewer " + api_key.encode()).digest()
        self._team = workspace
        self._annotators, self._adjudicators = annotators, adjudicators
        self._timeout_seconds = timeout_seconds

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        """Create the review set if it is not there, add the items that are missing, return its web address.

        An item id is published once, whatever is cut off or repeated. The team is let in; adjudication sets are for
        its adjudicators alone.

        Raises:
            ServiceError: the server is not there or refuses us, or has accounts for none of the people named.
        """
        with service(self._url):
            workspace = self._workspace_for(form)
            dataset = self._ready_dataset(name, workspace) or self._create(
                dataset_of(name, workspace, form), items, form
            )
            self._add_missing(dataset, items, form)
        return self._address(dataset)

    def answers(self, project: str) -> list[ReviewAnswer]:
        """All responses, whatever their status, of all review sets whose name starts with `project`, oldest first.

        Raises:
            ServiceError: the server is not there or refuses us.
        """
        with service(self._url):
            found = [
                answer_of(record, response, dataset, self._pseudonym)
                for dataset in self._published(project)
                if self._people_in(dataset)  # a set that nobody has touched need not be read
                for record in records_in(self._http, dataset["id"], include="responses")
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
        done = self._http.get(f"datasets/{dataset['id']}/progress").raise_for_status().json()
        pending = {user["username"]: user["pending"] for user in self._people_in(dataset)}
        kind = kind_of(dataset)
        members = members_of(self._http, dataset["workspace_id"], or_owners=kind == "adjudication")
        return SetProgress(
            review_set=dataset["name"],
            kind=kind,
            url=self._address(dataset["id"]),
            records=done.get("total", 0),
            completed=done.get("completed", 0),
            min_submitted=dataset["distribution"]["min_submitted"],
            waiting={
                self._pseudonym(user["id"]): done.get("pending", 0) - _answered(pending.get(user["username"]))
                for user in members
            },
        )

    def _people_in(self, dataset: Mapping[str, Any]) -> list[Json]:
        """What everybody who has a response in the set has done there."""
        people: list[Json] = (
            self._http.get(f"datasets/{dataset['id']}/users/progress").raise_for_status().json()["users"]
        )
        return people

    @cached_property
    def _http(self) -> httpx.Client:
        return connect(self._url, self._api_key, self._timeout_seconds)

    def _pseudonym(self, user_id: str) -> str:
        return pseudonym(self._pseudonym_key, user_id)

    def _address(self, dataset: str) -> str:
        return f"{self._public_url}/dataset/{dataset}/annotation-mode"

    def _workspace_for(self, form: ReviewForm) -> str:
        if form.kind == "adjudication":
            return let_adjudicate(self._http, self._team, self._adjudicators)
        return let_in(self._http, self._team, self._annotators)

    def _published(self, project: str) -> list[Json]:
        spaces = workspaces(self._http)
        ours = {spaces.get(self._team), spaces.get(self._team + ADJUDICATION)}
        found = [d for d in self._datasets() if d["workspace_id"] in ours and d["name"].startswith(project)]
        return sorted((d for d in found if d["status"] == "ready"), key=lambda dataset: str(dataset["name"]))

    def _datasets(self) -> list[Json]:
        return items_at(self._http, "me/datasets")

    def _ready_dataset(self, name: str, workspace: str) -> str | None:
        """Id of the dataset that people can see. A draft was cut off while being made and holds nothing: it goes."""
        for dataset in self._datasets():
            if dataset["name"] == name and dataset["workspace_id"] == workspace:
                if dataset["status"] == "ready":
                    return str(dataset["id"])
                self._http.delete(f"datasets/{dataset['id']}").raise_for_status()
        return None

    def _create(self, dataset: Json, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        """Make it as a draft, which people do not see, and publish it last."""
        path = f"datasets/{self._http.post('datasets', json=dataset).raise_for_status().json()['id']}"
        parts = {
            "fields": fields_of(form),
            "questions": questions_of(form),
            "metadata-properties": metadata_of(items, form),
            "vectors-settings": vectors_of(items),
        }
        for part, bodies in parts.items():
            for body in bodies:
                self._http.post(f"{path}/{part}", json=body).raise_for_status()
        return str(self._http.put(f"{path}/publish").raise_for_status().json()["id"])

    def _add_missing(self, dataset: str, items: Sequence[ReviewItem], form: ReviewForm) -> None:
        there = {record["external_id"] for record in records_in(self._http, dataset)}
        questions = {q["name"]: q["id"] for q in items_at(self._http, f"datasets/{dataset}/questions")}
        rows = {item.id: record_of(item, form, questions[CORRECTION]) for item in items}
        missing = [row for row in rows.values() if row["external_id"] not in there]
        for start in range(0, len(missing), _BATCH):
            batch = {"items": missing[start : start + _BATCH]}
            self._http.post(f"datasets/{dataset}/records/bulk", json=batch).raise_for_status()


def _answered(pending: Mapping[str, int] | None) -> int:
    """Of the records that still need answers: those that this person is done with. A draft is not."""
    return pending["submitted"] + pending["discarded"] if pending else 0
