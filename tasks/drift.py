"""Comparing production traffic with what the model was trained on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event

from tasks import wiring
from tasks.checks import show_traffic_checks
from tuneloop.data.snapshots import load_rows
from tuneloop.drift.traffic import read_since
from tuneloop.drift.watching import watch
from tuneloop.recipes import Recipe
from tuneloop.results import DriftReport, Round

DRIFT_EVENT = "tuneloop.drift.detected"


@task(name="compare traffic", task_run_name="drift {recipe.name}", timeout_seconds=1800)
def compare_traffic(recipe: Recipe, recipe_path: str, last: Round) -> DriftReport:
    """Test the newest window of traffic against the latest round's training rows; drift is told as an event."""
    logger = get_run_logger()

    def announce(report: DriftReport) -> None:
        logger.warning("drift: emitting event %s", emit_drift(recipe.name, recipe_path, report))

    report = watch(
        reference_texts=[row.prompt for row in load_rows(Path(last.data.folder) / "train.parquet")],
        traffic_file=wiring.traffic_file(recipe.name),
        embedder=wiring.embedder(),
        config=recipe.drift,
        state_file=wiring.workspace() / "drift" / f"{recipe.name}.json",
        now=datetime.now(UTC),
        announce=announce,
    )
    _show(recipe.name, report)
    if report.window_rows:
        newest = read_since(wiring.traffic_file(recipe.name))[-report.window_rows :]
        show_traffic_checks(recipe, newest)
    return report


def event_id(report: DriftReport) -> UUID:
    """The same window gives the same event, however often a killed run says it again."""
    return uuid5(NAMESPACE_URL, f"{DRIFT_EVENT}/{report.window_id}")


def emit_drift(recipe: str, recipe_path: str, report: DriftReport) -> UUID:
    """Tell the automation; returns the event's id."""
    emit_event(
        event=DRIFT_EVENT,
        id=event_id(report),
        resource={"prefect.resource.id": f"tuneloop.recipe.{recipe}", "prefect.resource.name": recipe},
        payload={
            "recipe": recipe_path,
            "window_id": report.window_id,
            "p_value": report.p_value,
            "effect": report.effect,
        },
    )
    return event_id(report)


def _show(recipe: str, report: DriftReport) -> None:
    numbers = "" if report.p_value is None else f"p = {report.p_value:.4f}, squared MMD = {report.effect:.4f}"
    terms = ", ".join(report.nearest_terms) or "-"
    create_markdown_artifact(
        key=f"drift-{recipe}",
        markdown=f"## {report.status.replace('_', ' ')}\n\n{report.window_rows} rows of traffic against "
        f"{report.reference_rows} training rows. {numbers}\n\nWords that are new: {terms}",
    )
