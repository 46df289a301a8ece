"""The private test: scored once a model is to be promoted, so that its score cannot have promoted it."""

from __future__ import annotations

from pathlib import Path

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from tasks import wiring
from tasks.evaluation import setup_of
from tasks.registry import champion_of
from tuneloop.evaluation.private_test import Asked, score_private
from tuneloop.evaluation.private_uses import UseLedger
from tuneloop.recipes import Recipe
from tuneloop.registry.rounds import served_by
from tuneloop.results import Round
from tuneloop.results.private_test import PrivateReport
from tuneloop.training.export.served import require_hash


@task(name="private test", task_run_name="private test round {round_.number}", retries=1, retry_delay_seconds=5)
def private_score(recipe: Recipe, round_: Round) -> PrivateReport | None:
    """Means on the private rows, logged as a use, tracked as `private_<metric>`; None where there are no such rows, and
    for a model that is not to be promoted."""
    private_file = Path(round_.data.folder) / "private.parquet"
    if round_.verdict.decision != "promote" or not private_file.is_file():
        return None
    registry, workspace = wiring.registry(), wiring.workspace()
    champion = champion_of(recipe.name)
    if champion is not None:
        UseLedger.of(workspace, recipe.name).note_promotion(served_by(champion)[1])
    folder = Path(round_.served_path or round_.training.model)
    require_hash(folder, round_.candidate.model_hash)
    report = score_private(
        Asked(
            recipe=recipe.name,
            model=f"round {round_.number}",
            model_hash=round_.candidate.model_hash,
            folder=folder,
            data_version=round_.data.version,
            by="retraining-cycle",
            flow_run_id=flow_run.get_id(),
        ),
        setup=setup_of(recipe, round_.data),
        private_file=private_file,
        workspace=workspace,
    )
    run_name = f"{recipe.name}-{round_.training_key}"
    registry.log_round(recipe.name, run_name, params={}, metrics=report.tracked, tags={}, artifacts=[])
    _tell(report)
    return report


def _tell(report: PrivateReport) -> None:
    for warning in report.warnings:
        get_run_logger().warning("private test: %s", warning)
    create_markdown_artifact(key=f"private-test-{report.recipe}", markdown=private_markdown(report))


def private_markdown(report: PrivateReport) -> str:
    """Means with intervals, and what to think of them; nothing of any row."""
    rows = "".join(f"| {n} | {m.value:.3f} | {m.low:.3f} to {m.high:.3f} |\n" for n, m in report.metrics.items())
    warnings = "".join(f"\n- ⚠️ {warning}" for warning in report.warnings)
    seen = "model has" if report.models_scored == 1 else "models have"
    return (
        f"## Private test of {report.model}\n\n{report.rows} rows that no model is trained on or chosen by; "
        f"{report.models_scored} {seen} been scored on them.\n\n"
        f"| metric | mean | interval |\n|---|---:|---:|\n{rows}{warnings}"
    )
