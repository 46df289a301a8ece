"""MLflow as the registry: a run per round, a model version per artefact, the aliases `champion` and `previous`."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tuneloop.errors import ServiceError

CHAMPION, PREVIOUS = "champion", "previous"
ROUND_TAG, HASH_TAG = "tuneloop.round", "tuneloop.artifact_hash"
UPDATED = "tuneloop.updated."
"""Prefix of tags with parameters that changed when a round was recorded again: MLflow's parameters cannot change."""

_BATCH = 100
_MAX_VALUE_CHARACTERS = 5000
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # no such model; a model without this alias
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow's own 7 retries wait for four minutes before they say that there is no server.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MlflowRegistry:
    """A `Registry` on an MLflow 3 server, or on a local store (`sqlite:///file`).

    Every method may be cut off and called again. All raise ServiceError when MLflow is not there or refuses.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    def log_round(
        self,
        experiment: str,
        run_name: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Sequence[Path],
    ) -> str:
        """Record one round once (same run_name: updated) and return the run id.

        Artifacts are files or folders; a folder is uploaded under its own name. A metric that is not a finite
        number was not measured and is left out.
        """
        with self._service():
            run_id, old_params, old_metrics = self._run(experiment, run_name)
            self._log_params(run_id, params, old_params)
            self._log_metrics(run_id, metrics, old_metrics)
            self._log_tags(run_id, tags)
            for path in artifacts:
                self._upload(run_id, path, path.name)
            self._client.set_terminated(run_id, "FINISHED")
        return run_id

    def log_curves(
        self, experiment: str, run_name: str, *, curves: Mapping[str, Sequence[tuple[int, float]]], finished: bool
    ) -> None:
        """Add (step, value) points to the metrics of the round's run while it goes.

        Of each metric only steps after the last one there are added, so a resumed or repeated run adds nothing twice.
        `finished` marks the run as ended, which `log_round` does as well.
        """
        with self._service():
            run_id, _, _ = self._run(experiment, run_name)
            self._client.update_run(run_id, status="FINISHED" if finished else "RUNNING")
            for name, points in curves.items():
                self._log_curve(run_id, name, points)

    def register(self, model: str, run_id: str, *, artifact: Path, tags: Mapping[str, str]) -> str:
        """Register the artefact as a version of `model` once (same artefact hash: same version); return the version.

        The artefact goes to `adapter/<hash>` of the run, so that a second one never overwrites the first.
        """
        with self._service():
            digest = artifact_hash(artifact)
            known = self._version_of(model, digest)
            if known is not None:
                for name, value in tags.items():
                    self._client.set_model_version_tag(model, known, name, _short(value))
                return known
            self._ensure_model(model)
            place = f"adapter/{digest[:12]}"
            self._upload(run_id, artifact, place)
            created = self._client.create_model_version(
                model,
                source=f"runs:/{run_id}/{place}",
                run_id=run_id,
                tags={name: _short(value) for name, value in tags.items()} | {HASH_TAG: digest},
                await_creation_for=None,
            )
        return str(created.version)

    def promote(self, model: str, version: str) -> None:
        """Point the alias `champion` at the version; the old one becomes `previous`."""
        with self._service():
            champion = self._alias(model, CHAMPION)
            if champion is not None and str(champion.version) == version:
                return
            if champion is not None:
                # First: cut off after this line, both aliases name the old champion and a second call ends the job.
                self._client.set_registered_model_alias(model, PREVIOUS, champion.version)
            self._client.set_registered_model_alias(model, CHAMPION, version)

    def champion(self, model: str) -> Mapping[str, str] | None:
        """Tags of the champion's version (with `version` and `run_id`), or None."""
        with self._service():
            found = self._alias(model, CHAMPION)
        if found is None:
            return None
        return dict(found.tags) | {"version": str(found.version), "run_id": found.run_id or ""}

    @cached_property
    def _client(self) -> Any:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)  # MLflow reads them from the environment only
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self._url, registry_uri=self._url)

    def _run(self, experiment: str, run_name: str) -> tuple[str, dict[str, str], dict[str, float]]:
        """(id, parameters, metrics) of the round's run, which is created if it is not there."""
        experiment_id = self._ensure_experiment(experiment)
        found = self._client.search_runs([experiment_id], f"tags.`{ROUND_TAG}` = {_quoted(run_name)}", max_results=1)
        run = (
            found[0] if found else self._client.create_run(experiment_id, run_name=run_name, tags={ROUND_TAG: run_name})
        )
        return run.info.run_id, dict(run.data.params), dict(run.data.metrics)

    def _ensure_experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name))

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _log_params(self, run_id: str, params: Mapping[str, Any], old: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        wanted = {name: _short(value) for name, value in params.items()}
        new = [Param(name, value) for name, value in wanted.items() if name not in old]
        for start in range(0, len(new), _BATCH):
            self._client.log_batch(run_id, params=new[start : start + _BATCH])
        changed = {name: value for name, value in wanted.items() if old.get(name, value) != value}
        self._log_tags(run_id, {UPDATED + name: value for name, value in changed.items()})

    def _log_metrics(self, run_id: str, metrics: Mapping[str, float], old: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        new = {name: float(value) for name, value in metrics.items() if math.isfinite(value) and old.get(name) != value}
        points = [Metric(name, value, now, 0) for name, value in new.items()]
        for start in range(0, len(points), _BATCH):
            self._client.log_batch(run_id, metrics=points[start : start + _BATCH])

    def _log_curve(self, run_id: str, name: str, points: Sequence[tuple[int, float]]) -> None:
        from mlflow.entities import Metric

        there = max((metric.step for metric in self._client.get_metric_history(run_id, name)), default=-1)
        now = time.time_ns() // 1_000_000
        new = [Metric(name, value, now, step) for step, value in points if step > there and math.isfinite(value)]
        for start in range(0, len(new), _BATCH):
            self._client.log_batch(run_id, metrics=new[start : start + _BATCH])

    def _log_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        rows = [RunTag(name, _short(value)) for name, value in tags.items()]
        for start in range(0, len(rows), _BATCH):
            self._client.log_batch(run_id, tags=rows[start : start + _BATCH])

    def _upload(self, run_id: str, path: Path, place: str) -> None:
        if path.is_dir():
            self._client.log_artifacts(run_id, str(path), artifact_path=place)
        else:
            folder = place if place != path.name else None
            self._client.log_artifact(run_id, str(path), artifact_path=folder)

    def _version_of(self, model: str, digest: str) -> str | None:
        found = self._client.search_model_versions(f"name = {_quoted(model)}")
        return next((str(v.version) for v in found if v.tags.get(HASH_TAG) == digest), None)

    def _alias(self, model: str, alias: str) -> Any:
        from mlflow.exceptions import MlflowException

        try:
            return self._client.get_model_version_by_alias(model, alias)
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return None
            raise

    @contextmanager
    def _service(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except FileNotFoundError:
            raise  # an artefact of ours, not the server's doing
        except (MlflowException, OSError) as error:
            raise ServiceError(
                f"MLflow at {self._url} failed: {str(error)[:300]}. Is it running? `tuneloop up` starts it, "
                "TUNELOOP_MLFLOW_URL says where it is"
            ) from error


def artifact_hash(path: Path) -> str:
    """Hex SHA-256 over the names and contents of a folder's files, or of the one file."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        with file.open("rb") as stream:
            total.update(f"{name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _short(value: Any) -> str:
    """MLflow refuses values above 6,000 characters (parameters) or 5,000 (version tags)."""
    return str(value)[:_MAX_VALUE_CHARACTERS]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
