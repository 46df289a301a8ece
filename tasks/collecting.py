"""Collecting what people said: responses from the desk and answers edited in production become rows."""

from __future__ import annotations

from dataclasses import asdict

from prefect import task

from tasks import wiring
from tasks.adjudicating import send_to_adjudication
from tasks.checks import show_feedback_checks
from tasks.outages import PAUSES_SECONDS, RETRIES
from tasks.review_report import review_state, show_review
from tuneloop.drift.traffic import read_since
from tuneloop.ports import ReviewAnswer
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Recipe
from tuneloop.results import FeedbackReport
from tuneloop.review.collecting import collect
from tuneloop.review.review_sets import is_set_of
from tuneloop.workflows.accepted_answers import accept_answers


@task(
    name="collect feedback", task_run_name="collect {recipe.name}", retries=RETRIES, retry_delay_seconds=PAUSES_SECONDS
)
def collect_feedback(recipe: Recipe) -> FeedbackReport:
    """Responses from the desk and answers edited in production become rows, each exactly once.

    Conflicts among them go to adjudication, and the review report is drawn anew.
    """
    folder = wiring.feedback_folder(recipe.name)
    answers = _answers(recipe) if recipe.review.enabled else []
    report = collect(answers, folder=folder, limits=recipe.review.adjudication)
    if report.new_responses:
        show_feedback_checks(recipe, [answer for answer in answers if answer.status == "submitted"])
    accept_answers(
        map(asdict, read_since(wiring.traffic_file(recipe.name))),
        folder=folder,
        checks=recipe.data.checks,
        key=pseudonym_key(wiring.workspace()),
    )
    found = review_state(recipe)
    if recipe.review.enabled:
        send_to_adjudication(recipe, found.waiting)
    show_review(recipe, found)
    return report


def _answers(recipe: Recipe) -> list[ReviewAnswer]:
    """Of all the recipe's sets, old ones included: somebody may still be at it."""
    said = wiring.review_desk(recipe).answers(f"{recipe.name}-")
    return [answer for answer in said if is_set_of(recipe.name, answer.review_set)]
