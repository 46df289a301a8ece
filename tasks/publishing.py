"""Publishing review sets."""

from __future__ import annotations

from functools import partial

from prefect import task

from tasks import wiring
from tasks.caching import PAUSES_SECONDS, RETRIES, worth_repeating
from tasks.display import show_set
from tasks.registry import champion_of
from tuneloop.ports import ReviewKind
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport, DriftReport, ReviewReport, Round
from tuneloop.workflows.review_sets import kinds
from tuneloop.workflows.review_sets.items import Occasion, ReviewSetup
from tuneloop.workflows.review_sets.publishing import Choose, publish_set


def publish_round_sets(recipe: Recipe, round_: Round, base: str) -> list[ReviewReport]:
    """Publish all sets that the recipe wants of a round, its data sample included; a second time changes nothing."""
    due = kinds.kinds_due(recipe, round_)
    sample = publish_data_sample(recipe, round_.data)
    found = [sample, *(publish_round_set(recipe, kind, round_, base) for kind in due)]
    return [report for report in found if report is not None]


def publish_data_sample(recipe: Recipe, data: DataReport) -> ReviewReport | None:
    """Publish training rows of a new data version, where the recipe wants some reviewed. Nothing waits for them."""
    return publish_data_rows(recipe, data) if kinds.wants(recipe, "data_sample") else None


def publish_drifted_slice(recipe: Recipe, last: Round) -> ReviewReport | None:
    """Publish answers to the traffic that drifted last, where the recipe wants some reviewed; None before any drift."""
    drift = kinds.drift_to_review(recipe, wiring.workspace())
    return publish_drift(recipe, drift, last) if drift is not None else None


@task(
    name="publish review set",
    task_run_name="publish {kind} of round {round_.number}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_round_set(recipe: Recipe, kind: ReviewKind, round_: Round, base: str) -> ReviewReport | None:
    """Publish one set about a round."""
    champion = champion_of(recipe.name)
    return _publish(*kinds.set_of_round(_setup(recipe), kind, round_, champion=champion, base=base))


@task(
    name="publish data sample",
    task_run_name="publish rows of {data.version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_data_rows(recipe: Recipe, data: DataReport) -> ReviewReport | None:
    """Publish training rows, spread over the slices."""
    return _publish(*kinds.set_of_data(_setup(recipe), data))


@task(
    name="publish drifted slice",
    task_run_name="publish drift {drift.window_id}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_drift(recipe: Recipe, drift: DriftReport, last: Round) -> ReviewReport | None:
    """Publish what the model in production answers to the window that drifted."""
    return _publish(*kinds.set_of_drift(_setup(recipe), drift, last, champion=champion_of(recipe.name)))


def _setup(recipe: Recipe) -> ReviewSetup:
    here = wiring.settings()
    return ReviewSetup(recipe, here.root, here.workspace_path, here.threads, wiring.embedder())


def _publish(occasion: Occasion, choose: Choose) -> ReviewReport | None:
    recipe = occasion.recipe
    show = partial(show_set, recipe=recipe.name)
    return publish_set(occasion, choose, open_backend=lambda: wiring.annotation_backend(recipe), show=show)
