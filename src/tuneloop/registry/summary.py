"""Rounds as flat dictionaries: what `tuneloop report --json` prints and other programs read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.results import Cost, EvaluationReport, Metric, Round


def summarise(rounds: Sequence[Round]) -> list[dict[str, Any]]:
    """One dictionary per round, oldest first."""
    return [_summarise_round(r) for r in rounds]


def _summarise_round(round_: Round) -> dict[str, Any]:
    data, training = round_.data, round_.training
    return {
        "round": round_.number,
        "recipe": round_.recipe,
        "trigger": round_.trigger,
        "started_at": round_.started_at,
        "complete": round_.complete,
        "flow_run_id": round_.flow_run_id,
        "data_version": data.version,
        "rows_in": data.rows_in,
        "rows_quarantined": data.rows_quarantined,
        "rows_unused": data.rows_unused,
        "rows_train": data.rows_train,
        "rows_validation": data.rows_validation,
        "rows_test": data.rows_test,
        "rows_private": data.rows_private,
        "quarantine_reasons": dict(data.reasons),
        "train_loss": training.train_loss,
        "eval_loss": training.eval_loss,
        "tokens_per_second": training.tokens_per_second,
        "quantised_layers": training.quantised_layers,
        "trainable_parameters": training.trainable_parameters,
        "metrics": _metrics(round_.candidate),
        "suites": {name: _all(metrics) for name, metrics in round_.candidate.suites.items()},
        "slices": {name: _all(metrics) for name, metrics in round_.candidate.slices.items()},
        "unmeasured": dict(round_.candidate.unmeasured),
        "speed": round_.candidate.speed.model_dump() if round_.candidate.speed else None,
        "opinions": [opinion.model_dump(exclude={"file"}) for opinion in round_.opinions],
        "base_metrics": _metrics(round_.base),
        "champion_metrics": _metrics(round_.champion) if round_.champion else None,
        "gate": {
            "decision": round_.verdict.decision,
            "reasons": [reason.text for reason in round_.verdict.reasons],
        },
        "model_hash": training.model_hash,
        "model_version": round_.model_version,
        "mlflow_run_id": round_.mlflow_run_id,
        "reviews": [review.model_dump() for review in round_.reviews],
        "feedback": round_.feedback.model_dump(exclude={"folder"}) if round_.feedback else None,
        "seconds": {name: round(cost.seconds, 1) for name, cost in step_costs(round_).items()},
        "peak_rss_mib": {name: round(cost.peak_rss_mib) for name, cost in step_costs(round_).items()},
    }


def step_costs(round_: Round) -> Mapping[str, Cost]:
    """What each step took when it really ran; a cached step shows what it took the first time."""
    champion = {"evaluation_champion": round_.champion.cost} if round_.champion else {}
    return {
        "data": round_.data.cost,
        "training": round_.training.cost,
        "evaluation_base": round_.base.cost,
        **champion,
        "evaluation_candidate": round_.candidate.cost,
    }


def _metrics(report: EvaluationReport) -> dict[str, dict[str, float]]:
    """Those of the test rows and of the suites, by name."""
    return _all(report.everything)


def _all(metrics: Mapping[str, Metric]) -> dict[str, dict[str, float]]:
    return {name: _metric(metric) for name, metric in metrics.items()}


def _metric(metric: Metric) -> dict[str, float]:
    return {"value": metric.value, "low": metric.low, "high": metric.high, "n": metric.n}
