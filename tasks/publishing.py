"""Putting review sets before people: what each kind of set is about, and when it is published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from prefect import task

from tasks import wiring
from tasks.outages import PAUSES_SECONDS, RETRIES
from tasks.registry import champion_of, worth_repeating
from tasks.review_choosing import choose_answers
from tasks.review_display import show_set
from tasks.review_items import Occasion
from tasks.review_prompts import scrubbed, waiting_prompts
from tasks.review_rows import choose_failures, choose_rows
from tuneloop.drift.traffic import read_window
from tuneloop.drift.watching import last_drift
from tuneloop.ports import ReviewForm, ReviewKind
from tuneloop.recipes import Recipe, Strategy
from tuneloop.registry.rounds import load_rounds, other_model, reviewed_model
from tuneloop.results import DataReport, DriftReport, ReviewReport, Round
from tuneloop.review.review_sets import ReviewSet, data_set, drift_set, round_set

DEFAULT_GUIDELINES = "Rate each answer, and correct it where you would have written something else."
OF_ROUNDS: tuple[ReviewKind, ...] = ("answers", "preference", "red_team")
NEEDED_FOR: Mapping[str, ReviewKind] = {"human_rating": "answers", "human_preference": "preference"}
"""Metric of a rule -> the set that lets people speak on it."""
DRIFT_SHARES: Mapping[Strategy, float] = {"drifted": 0.5, "diverse": 0.25, "random": 0.25}
"""Within the window that drifted: what is new in it, how wide it is, and how good the answers are on the whole."""


def publish_round_sets(recipe: Recipe, round_: Round, base: str) -> list[ReviewReport]:
    """All sets that the recipe wants of a round, its data sample included. Publishing again changes nothing."""
    sample = publish_data_sample(recipe, round_.data)
    due = [kind for kind in OF_ROUNDS if kind in _wanted(recipe, round_)]
    found = [sample, *(publish_round_set(recipe, kind, round_, base) for kind in due)]
    return [report for report in found if report is not None]


def publish_data_sample(recipe: Recipe, data: DataReport) -> ReviewReport | None:
    """Training rows of a new data version, where the recipe wants people to see some. Nothing waits for them."""
    if not recipe.review.enabled or "data_sample" not in recipe.review.sets:
        return None
    return publish_data_rows(recipe, data)


def publish_drifted_slice(recipe: Recipe, last: Round) -> ReviewReport | None:
    """Answers to the traffic that drifted last, where the recipe wants people to see some; None before any drift.

    The drift is read from the watch's state, so that a run that was killed behind its announcement is made good.
    """
    drift = last_drift(wiring.workspace() / "drift" / f"{recipe.name}.json")
    wanted = recipe.review.enabled and "drifted_slice" in recipe.review.sets
    return publish_drift(recipe, drift, last) if drift is not None and wanted else None


def _wanted(recipe: Recipe, round_: Round) -> set[str]:
    """A verdict that waits for people has the set that they need to speak, whatever else the recipe wants."""
    if not recipe.review.enabled:
        return set()
    waits = round_.verdict.decision == "needs_review"
    needed = {NEEDED_FOR[rule.metric] for rule in recipe.evaluation.rules if waits and rule.metric in NEEDED_FOR}
    return {*recipe.review.sets, *needed}


@task(
    name="publish review set",
    task_run_name="publish {kind} of round {round_.number}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_round_set(recipe: Recipe, kind: ReviewKind, round_: Round, base: str) -> ReviewReport | None:
    """Answers to prompts that nobody has judged yet, two models' answers side by side, or red-team failures."""
    model = reviewed_model(round_, champion_of(recipe.name))
    other = other_model(round_, model[1], load_rounds(wiring.workspace(), recipe.name))
    occasion = Occasion(
        recipe=recipe,
        name=round_set(recipe.name, kind, round_.number),
        kind=kind,
        data_folder=Path(round_.data.folder),
        model=model,
        other=other,
        shares=recipe.review.sampling,
        labels={},
    )
    if kind == "red_team":
        failures = Path(round_.candidate.scores).parent / "red_team.jsonl"
        return put_before_people(occasion, lambda: choose_failures(occasion, failures, round_.candidate.model_hash))
    if kind == "preference" and other is None:
        occasion = replace(occasion, other=(base, round_.training.base_hash))
    return put_before_people(occasion, lambda: choose_answers(occasion, waiting_prompts(recipe)))


@task(
    name="publish data sample",
    task_run_name="publish rows of {data.version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_data_rows(recipe: Recipe, data: DataReport) -> ReviewReport | None:
    """Training rows, spread over the slices."""
    occasion = Occasion(
        recipe=recipe,
        name=data_set(recipe.name, data.version),
        kind="data_sample",
        data_folder=Path(data.folder),
        model=("", ""),
        other=None,
        shares={},
        labels={},
    )
    return put_before_people(occasion, lambda: choose_rows(occasion))


@task(
    name="publish drifted slice",
    task_run_name="publish drift {drift.window_id}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def publish_drift(recipe: Recipe, drift: DriftReport, last: Round) -> ReviewReport | None:
    """What the model in production answers to the window that drifted."""
    occasion = Occasion(
        recipe=recipe,
        name=drift_set(recipe.name, drift.window_id or ""),
        kind="drifted_slice",
        data_folder=Path(last.data.folder),
        model=reviewed_model(last, champion_of(recipe.name)),
        other=None,
        shares=DRIFT_SHARES,
        labels={"slice": "drift"},
    )

    def choose() -> ReviewSet | None:
        window = read_window(wiring.traffic_file(recipe.name), drift.window_end or "", drift.window_rows)
        return choose_answers(occasion, scrubbed(recipe, [row.prompt for row in reversed(window)]))

    return put_before_people(occasion, choose)


def put_before_people(occasion: Occasion, choose: Callable[[], ReviewSet | None]) -> ReviewReport | None:
    """The set on the desk; `choose` makes it where it was not chosen before.

    Cut off anywhere, the next call goes on with the same records.
    """
    recipe, sets = occasion.recipe, occasion.sets
    found = sets.find(occasion.name) or choose()
    if found is None:
        return None
    report = _report(found)
    if not found.url:
        url = wiring.review_desk(recipe).publish(found.name, found.items, form_of(recipe, found.kind))
        report = _report(sets.mark_published(found, url))
        show_set(recipe.name, report)
    return report


def form_of(recipe: Recipe, kind: ReviewKind) -> ReviewForm:
    guidelines = recipe.review.guidelines
    return ReviewForm(
        (wiring.settings().root / guidelines).read_text("utf-8") if guidelines else DEFAULT_GUIDELINES,
        kind=kind,
        issue_tags=recipe.review.issue_tags,
        dimensions=recipe.review.dimensions,
        min_submitted=recipe.review.min_submitted,
        text_format=recipe.review.text_format,
    )


def _report(found: ReviewSet) -> ReviewReport:
    return ReviewReport(
        review_set=found.name,
        url=found.url,
        records=len(found.items),
        kind=found.kind,
        counts=dict(found.counts),
        notes=list(found.notes),
    )
