"""The kinds of review sets: what each is about, when it is wanted, and how it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuneloop.drift.traffic import read_window
from tuneloop.drift.watching import last_drift
from tuneloop.ports import ReviewKind
from tuneloop.recipes import Recipe, Strategy
from tuneloop.registry.rounds import load_rounds, other_model, reviewed_model
from tuneloop.results import DataReport, DriftReport, Round
from tuneloop.review.review_sets import ReviewSet, data_set, drift_set, round_set
from tuneloop.workflows.review_sets.choosing import choose_answers
from tuneloop.workflows.review_sets.items import Occasion, ReviewSetup
from tuneloop.workflows.review_sets.prompts import scrubbed, waiting_prompts
from tuneloop.workflows.review_sets.publishing import Choose
from tuneloop.workflows.review_sets.rows import choose_failures, choose_rows
from tuneloop.workspaces import drift_file

OF_ROUNDS: tuple[ReviewKind, ...] = ("answers", "preference", "red_team")
NEEDED_FOR: Mapping[str, ReviewKind] = {"human_rating": "answers", "human_preference": "preference"}
"""Metric of a rule -> the set whose answers the rule needs."""
DRIFT_SHARES: Mapping[Strategy, float] = {"drifted": 0.5, "diverse": 0.25, "random": 0.25}
"""Within the window that drifted: what is new in it, how wide it is, and how good the answers are on the whole."""


def wants(recipe: Recipe, kind: ReviewKind) -> bool:
    """Whether the recipe asks for sets of this kind."""
    return recipe.review.enabled and kind in recipe.review.sets


def kinds_due(recipe: Recipe, round_: Round) -> list[ReviewKind]:
    """List the kinds of sets that the recipe wants of a round.

    A verdict that waits for reviewers has the set that they need, whatever else the recipe wants.
    """
    if not recipe.review.enabled:
        return []
    waits = round_.verdict.decision == "needs_review"
    needed = {NEEDED_FOR[rule.metric] for rule in recipe.evaluation.rules if waits and rule.metric in NEEDED_FOR}
    return [kind for kind in OF_ROUNDS if kind in {*recipe.review.sets, *needed}]


def set_of_round(
    setup: ReviewSetup, kind: ReviewKind, round_: Round, *, champion: Mapping[str, str] | None, base: str
) -> tuple[Occasion, Choose]:
    """Plan a set of answers that were not judged yet, of two models' answers side by side, or of red-team failures.

    It is about the round's candidate, or the champion that it did not replace; a first model is compared with the
    base, whose folder is `base`.
    """
    recipe = setup.recipe
    model = reviewed_model(round_, champion)
    other = other_model(round_, model[1], load_rounds(setup.workspace, recipe.name))
    if kind == "preference" and other is None:
        other = (base, round_.training.base_hash)
    occasion = Occasion(
        setup=setup,
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
        return occasion, lambda: choose_failures(occasion, failures, round_.candidate.model_hash)
    return occasion, lambda: choose_answers(occasion, waiting_prompts(setup))


def set_of_data(setup: ReviewSetup, data: DataReport) -> tuple[Occasion, Choose]:
    """Plan a set of training rows, spread over the slices."""
    occasion = Occasion(
        setup=setup,
        name=data_set(setup.recipe.name, data.version),
        kind="data_sample",
        data_folder=Path(data.folder),
        model=("", ""),
        other=None,
        shares={},
        labels={},
    )
    return occasion, lambda: choose_rows(occasion)


def drift_to_review(recipe: Recipe, workspace: Path) -> DriftReport | None:
    """Return the drift that was found last, where the recipe wants answers to it reviewed; None before any drift.

    It is read from the watch's state, so that a run that was killed behind its announcement is made good.
    """
    return last_drift(drift_file(workspace, recipe.name)) if wants(recipe, "drifted_slice") else None


def set_of_drift(
    setup: ReviewSetup, drift: DriftReport, last: Round, *, champion: Mapping[str, str] | None
) -> tuple[Occasion, Choose]:
    """Plan a set of what the model in production answers to the window that drifted."""
    recipe = setup.recipe
    occasion = Occasion(
        setup=setup,
        name=drift_set(recipe.name, drift.window_id or ""),
        kind="drifted_slice",
        data_folder=Path(last.data.folder),
        model=reviewed_model(last, champion),
        other=None,
        shares=DRIFT_SHARES,
        labels={"slice": "drift"},
    )

    def choose() -> ReviewSet | None:
        window = read_window(setup.traffic, drift.window_end or "", drift.window_rows)
        prompts = scrubbed(recipe, [row.prompt for row in reversed(window)], setup.workspace)
        return choose_answers(occasion, prompts)

    return occasion, choose
