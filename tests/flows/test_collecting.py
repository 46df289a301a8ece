"""From a backend that only remembers to rows, adjudication and the report, by the task that all flows call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tests.flows.conftest import tiny_recipe
from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer, ReviewForm, ReviewItem, SetProgress
from tuneloop.recipes import Recipe
from tuneloop.results import FeedbackReport
from tuneloop.review.rows import read_rows

pytestmark = pytest.mark.flow

NAME = "tiny-collect"
SECRET = "Ring Anna Berg on 0161 496 0000"
SET = f"{NAME}-round-1"


@dataclass
class Backend:
    """What people said, and what was put before them; it can break down when something is published."""

    said: list[ReviewAnswer] = field(default_factory=list)
    sets: dict[str, dict[str, ReviewItem]] = field(default_factory=dict)
    forms: dict[str, ReviewForm] = field(default_factory=dict)
    publications: int = 0
    fails: bool = False

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        self.publications += 1
        there = self.sets.setdefault(name, {})
        for item in items:
            there.setdefault(item.id, item)
        self.forms[name] = form
        if self.fails:
            raise ConnectionError("the connection broke when all was there")
        return f"http://desk/{name}"

    def answers(self, project: str) -> list[ReviewAnswer]:
        return [answer for answer in self.said if answer.review_set.startswith(project)]

    def progress(self, project: str) -> list[SetProgress]:
        return [
            SetProgress(name, self.forms[name].kind, f"http://desk/{name}", len(items), 0, 1, {})
            for name, items in self.sets.items()
            if name.startswith(project)
        ]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    from tasks import wiring

    found = Backend()
    monkeypatch.setattr(wiring, "annotation_backend", lambda _recipe: found)
    return found


@pytest.fixture
def recipe(place: Path, request: pytest.FixtureRequest) -> Recipe:
    name = f"{NAME}-{request.node.name.replace('_', '-')[:40]}".rstrip("-")
    return Recipe.model_validate(tiny_recipe(place) | {"name": name, "review": {"max_records": 1}})


def by(recipe: Recipe, who: str, item: str, correction: str | None, **changes: object) -> ReviewAnswer:
    whole = {"response_id": f"{who}-{item}", "item_id": item, "review_set": f"{recipe.name}-round-1"}
    text = {"prompt": f"{SECRET}, item {item}?", "answer": SECRET, "correction": correction, "rating": 2}
    return said(**whole | text | {"reviewer": f"reviewer-{who * 12}"} | changes)


def disagreeing(recipe: Recipe) -> list[ReviewAnswer]:
    return [
        by(recipe, who, item, text)
        for item in ("i1", "i2")
        for who, text in (("a", "We are tracing it."), ("b", "Please ask the carrier!"))
    ]


def collected(recipe: Recipe) -> FeedbackReport:
    @flow
    def once() -> FeedbackReport:
        from tasks.collecting import collect_feedback

        return collect_feedback.with_options(retries=0)(recipe)

    return once()


def folder(place: Path, recipe: Recipe) -> Path:
    return place / "workspace" / "feedback" / recipe.name


def artifacts(recipe: Recipe) -> dict[str, str]:
    with get_client(sync_client=True) as client:
        return {str(a.key): f"{a.data} {a.description}" for a in client.read_artifacts() if recipe.name in str(a.key)}


def test_conflicts_are_put_before_an_adjudicator_once(place: Path, recipe: Recipe, backend: Backend) -> None:
    backend.said = disagreeing(recipe)
    assert collected(recipe).conflicts_waiting == 2
    names = [f"{recipe.name}-adjudication-{n}" for n in (1, 2)]
    assert {name: len(items) for name, items in backend.sets.items()} == dict.fromkeys(names, 1)
    assert {(form.kind, form.min_submitted) for form in backend.forms.values()} == {("adjudication", 1)}
    collected(recipe)
    assert backend.publications == 2


def test_a_publication_that_broke_off_is_repeated_and_nothing_is_doubled(
    place: Path, recipe: Recipe, backend: Backend
) -> None:
    backend.said, backend.fails = disagreeing(recipe), True
    with pytest.raises(ConnectionError):
        collected(recipe)
    assert len(read_rows(folder(place, recipe) / "responses.jsonl")) == 4, "what was collected stays"
    backend.fails = False
    collected(recipe)
    assert {name: len(items) for name, items in backend.sets.items()} == {
        f"{recipe.name}-adjudication-{n}": 1 for n in (1, 2)
    }


def test_the_decision_is_the_row_of_the_next_round(place: Path, recipe: Recipe, backend: Backend) -> None:
    backend.said = disagreeing(recipe)[:2]
    collected(recipe)
    ((name, items),) = backend.sets.items()
    (item,) = items.values()
    decision = by(recipe, "c", item.id, "It left today.", review_set=name, kind="adjudication", answer=item.answer)
    backend.said.append(decision)
    assert collected(recipe).conflicts_waiting == 0
    (row,) = read_rows(folder(place, recipe) / "corrections.jsonl")
    assert (row["completion"], row["extra"]["adjudicator"]) == ("It left today.", "reviewer-cccccccccccc")


def test_answers_of_a_recipe_whose_name_begins_alike_are_not_ours(
    place: Path, recipe: Recipe, backend: Backend
) -> None:
    backend.said = [
        by(recipe, "a", "i1", "Mine."),
        by(recipe, "b", "i1", "Not mine.", review_set=f"{recipe.name}-eu-round-1"),
    ]
    assert collected(recipe).responses == 1


def test_the_report_is_linked_in_the_ui_and_holds_nothing_that_anybody_wrote(
    place: Path, recipe: Recipe, backend: Backend
) -> None:
    backend.said = disagreeing(recipe)
    collected(recipe)
    page = folder(place, recipe) / "review.html"
    shown = artifacts(recipe)
    assert str(page) in shown[f"feedback-{recipe.name}"]
    assert "adjudication" in shown[f"review-sets-{recipe.name}"]
    summary = json.loads((page.parent / "summary.json").read_text())
    assert summary["conflicts_waiting"] == 2
    for text in (*shown.values(), page.read_text(), json.dumps(summary)):
        assert "Anna" not in text
        assert "carrier" not in text
    assert page.parent.stat().st_mode & 0o077 == 0
