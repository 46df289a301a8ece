"""Filling an MLflow run: parameters, metrics, curves, tags and files, each of them once."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.adapters.mlflow_registry.connection import short

UPDATED = "tuneloop.updated."
"""Prefix of tags with parameters that changed when a round was recorded again: MLflow's parameters cannot change."""

_BATCH = 100
_MAX_NAME_CHARACTERS = 250
_NOT_ALLOWED = re.compile(r"[^\w\-. /:]", re.ASCII)


def log_params(client: Any, run_id: str, params: Mapping[str, Any], old: Mapping[str, str]) -> None:
    """Add parameters that are new; one that changed becomes a tag."""
    from mlflow.entities import Param

    wanted = {name: short(value) for name, value in params.items()}
    new = [Param(name, value) for name, value in wanted.items() if name not in old]
    for start in range(0, len(new), _BATCH):
        client.log_batch(run_id, params=new[start : start + _BATCH])
    changed = {name: value for name, value in wanted.items() if old.get(name, value) != value}
    log_tags(client, run_id, {UPDATED + name: value for name, value in changed.items()})


def log_metrics(client: Any, run_id: str, metrics: Mapping[str, float], old: Mapping[str, float]) -> None:
    """Add metrics that are new or changed; one that is not a finite number was not measured and is left out."""
    from mlflow.entities import Metric

    now = time.time_ns() // 1_000_000
    wanted = {allowed(name): float(value) for name, value in metrics.items() if math.isfinite(value)}
    points = [Metric(name, value, now, 0) for name, value in wanted.items() if old.get(name) != value]
    for start in range(0, len(points), _BATCH):
        client.log_batch(run_id, metrics=points[start : start + _BATCH])


def log_curve(client: Any, run_id: str, name: str, points: Sequence[tuple[int, float]]) -> None:
    """Add the points of steps after the last one there."""
    from mlflow.entities import Metric

    there = max((metric.step for metric in client.get_metric_history(run_id, name)), default=-1)
    now = time.time_ns() // 1_000_000
    new = [Metric(name, value, now, step) for step, value in points if step > there and math.isfinite(value)]
    for start in range(0, len(new), _BATCH):
        client.log_batch(run_id, metrics=new[start : start + _BATCH])


def log_tags(client: Any, run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    rows = [RunTag(name, short(value)) for name, value in tags.items()]
    for start in range(0, len(rows), _BATCH):
        client.log_batch(run_id, tags=rows[start : start + _BATCH])


def upload(client: Any, run_id: str, path: Path, place: str) -> None:
    """A folder goes to `place`; a file goes into it, or to the top where `place` is its own name."""
    if path.is_dir():
        client.log_artifacts(run_id, str(path), artifact_path=place)
    else:
        client.log_artifact(run_id, str(path), artifact_path=place if place != path.name else None)


def allowed(name: str) -> str:
    """A metric's name as MLflow takes it: a slice `label=red & blue` becomes `label:red _ blue`."""
    return _NOT_ALLOWED.sub("_", name.replace("=", ":"))[:_MAX_NAME_CHARACTERS]
