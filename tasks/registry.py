"""Tracking, registering and promoting in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task

from tasks import wiring
from tuneloop.history.summary import summarise
from tuneloop.recipes import Recipe
from tuneloop.results import EvaluationReport, Round


@task(name="look up champion", retries=3, retry_delay_seconds=5)
def champion_of(recipe: str) -> Mapping[str, str] | None:
    """Tags of the model in production, or None before the first promotion."""
    return wiring.registry().champion(recipe)


@task(name="register", task_run_name="register round {round_.number}", retries=3, retry_delay_seconds=5)
def register(recipe: Recipe, round_: Round, artifacts: list[str]) -> tuple[str, str]:
    """Record the round and its adapter once; returns (run id, model version)."""
    registry = wiring.registry()
    training = round_.training
    tags = {
        "data_version": round_.data.version,
        "model_hash": training.model_hash,
        "model_path": training.model,
        "adapter_path": training.adapter,
        "base_hash": training.base_hash,
        "decision": round_.verdict.decision,
        "round": str(round_.number),
        "trigger": round_.trigger,
        "flow_run_id": round_.flow_run_id or "",
    }
    run_id = registry.log_round(
        recipe.name,
        f"{recipe.name}-{round_.training_key}",
        params=_flat(recipe.model_dump(include={"model", "training", "evaluation"})),
        metrics=_metrics(round_),
        tags=tags,
        artifacts=[Path(artifact) for artifact in artifacts],
    )
    return run_id, registry.register(recipe.name, run_id, artifact=Path(training.adapter), tags=tags)


@task(name="promote", task_run_name="promote version {version}", retries=3, retry_delay_seconds=5)
def promote(recipe: str, version: str) -> None:
    """Point `champion` at the version: one idempotent step, last in the round."""
    wiring.registry().promote(recipe, version)


def _metrics(round_: Round) -> dict[str, float]:
    summary = summarise([round_])[0]
    values = {k: summary[k] for k in ("train_loss", "eval_loss", "tokens_per_second", "rows_train", "rows_quarantined")}
    for prefix, report in (("candidate", round_.candidate), ("base", round_.base), ("champion", round_.champion)):
        values |= _scores(prefix, report)
    return {name: float(value) for name, value in values.items() if value is not None}


def _scores(prefix: str, report: EvaluationReport | None) -> dict[str, float]:
    if report is None:
        return {}
    return {f"{prefix}_{name}": metric.value for name, metric in {**report.metrics, **report.probes}.items()}


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
