"""Evaluation reports on made-up scores, as the gate reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuneloop.results import Cost, EvaluationReport, Metric


def report(
    folder: Path,
    model_hash: str,
    scores: Mapping[str, Sequence[float]],
    *,
    clusters: Sequence[str] | None = None,
    ids: Sequence[str] | None = None,
    probes: Mapping[str, Sequence[float]] | None = None,
    validation: Sequence[float] | None = None,
    slices: Mapping[str, Sequence[str]] | None = None,
    **fields: Any,
) -> EvaluationReport:
    """Write the score files of a model that was never run."""
    out = folder / model_hash
    out.mkdir(parents=True, exist_ok=True)
    _table(scores, clusters, ids).assign(**(slices or {})).to_parquet(out / "scores.parquet")
    if probes is not None:
        _table(probes, None, None).assign(category="skill").to_parquet(out / "forgetting.parquet")
    if validation is not None:
        _table({"loss": validation}, None, None).to_parquet(out / "validation.parquet")
    return EvaluationReport(
        model=model_hash,
        model_hash=model_hash,
        data_version="v",
        metrics=_metrics(scores),
        suites={} if probes is None else {"forgetting": _metrics(probes)},
        scores=str(out / "scores.parquet"),
        answers=str(out / "answers.jsonl"),
        tokens_per_second=0.0,
        cost=Cost(seconds=0.0, peak_rss_mib=0.0),
        **fields,
    )


def _metrics(scores: Mapping[str, Sequence[float]]) -> dict[str, Metric]:
    return {
        name: Metric(value=0.0, low=0.0, high=0.0, n=len(values), lower_is_better="loss" in name)
        for name, values in scores.items()
    }


def _table(
    scores: Mapping[str, Sequence[float]], clusters: Sequence[str] | None, ids: Sequence[str] | None
) -> pd.DataFrame:
    rows = len(next(iter(scores.values())))
    names = list(ids or [f"row-{i}" for i in range(rows)])
    return pd.DataFrame({"id": names, "cluster": list(clusters or names), **scores})
