"""The champion, and rounds: kept, reported, registered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prefect import task

from tasks import wiring
from tasks.caching import PAUSES_SECONDS, RETRIES, worth_repeating
from tasks.display import show_round
from tuneloop.recipes import Recipe
from tuneloop.registry.champion import require_champion
from tuneloop.registry.model_versions import lost_of
from tuneloop.results import Round
from tuneloop.training.export.served import artefact_hash
from tuneloop.workflows.register import register_round
from tuneloop.workflows.report_round import save_and_report

_log = logging.getLogger(__name__)


@task(name="look up champion", retries=RETRIES, retry_delay_seconds=PAUSES_SECONDS, retry_condition_fn=worth_repeating)
def champion_of(recipe: str) -> Mapping[str, str] | None:
    """Return the tags of the model in production, or None before the first promotion.

    Audit trail, registry and files are held against each other first; where they differ, the run ends here.
    """
    return require_champion(wiring.registry(), wiring.workspace(), recipe=recipe, hash_of=artefact_hash)


@task(name="reconcile registry", retries=3, retry_delay_seconds=5, retry_condition_fn=worth_repeating)
def lost(round_: Round) -> Literal["version", "model"] | None:
    """Return what was deleted of a finished round, so that it can be made again."""
    found = lost_of(round_, wiring.registry().versions(round_.recipe))
    if found:
        _log.warning(
            "version %s of %s, that of round %s, was deleted from the registry%s: it is made again",
            round_.model_version, round_.recipe, round_.number, ", and its model from the disk" * (found == "model"),
        )  # fmt: skip
    return found


@task(name="report", task_run_name="report round {round_.number}")
def keep_round(round_: Round) -> list[Path]:
    """Save the round and redraw the recipe's page and the round's; returns their paths."""
    pages = save_and_report(wiring.workspace(), round_)
    show_round(round_, pages.rounds, overview=pages.overview, evaluation=pages.evaluation)
    return [pages.overview, pages.evaluation]


@task(
    name="register",
    task_run_name="register round {round_.number}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def register(recipe: Recipe, round_: Round, artifacts: list[str]) -> tuple[str, str]:
    """Record the round and its adapter once, with its signed verdict; returns (run id, model version)."""
    files = [Path(artifact) for artifact in artifacts]
    return register_round(recipe, round_, files, registry=wiring.registry(), workspace=wiring.workspace())
