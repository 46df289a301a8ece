"""The registry's methods on MLflow's client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from tuneloop.adapters.mlflow_registry.artefacts import artifact_hash
from tuneloop.adapters.mlflow_registry.connection import connect, quoted, service, short
from tuneloop.adapters.mlflow_registry.runs import UPDATED, log_curve, log_metrics, log_params, log_tags, upload
from tuneloop.ports import ARTEFACT_TAG, ModelVersion

ROUND_TAG, HASH_TAG = "tuneloop.round", ARTEFACT_TAG
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # no such model; a model without this alias

__all__ = ["HASH_TAG", "ROUND_TAG", "UPDATED", "MlflowRegistry"]


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
        documents: Mapping[str, str] | None = None,
    ) -> str:
        """Record one round once (same run_name: updated) and return the run id.

        Artifacts are files or folders; a folder is uploaded under its own name. Documents are texts by file name. A
        metric that is not a finite number was not measured and is left out; of metrics' and slices' names, characters
        that MLflow does not take become `_`.
        """
        with service(self._url):
            run_id, old_params, old_metrics = self._run(experiment, run_name)
            log_params(self._client, run_id, params, old_params)
            log_metrics(self._client, run_id, metrics, old_metrics)
            log_tags(self._client, run_id, tags)
            for path in artifacts:
                upload(self._client, run_id, path, path.name)
            for name, text in (documents or {}).items():
                self._client.log_text(run_id, text, name)
            self._client.set_terminated(run_id, "FINISHED")
        return run_id

    def log_curves(
        self, experiment: str, run_name: str, *, curves: Mapping[str, Sequence[tuple[int, float]]], finished: bool
    ) -> None:
        """Add (step, value) points to the metrics of the round's run while it goes.

        Of each metric only steps after the last one there are added, so a resumed or repeated run adds nothing twice.
        `finished` marks the run as ended, which `log_round` does as well.
        """
        with service(self._url):
            run_id, _, _ = self._run(experiment, run_name)
            self._client.update_run(run_id, status="FINISHED" if finished else "RUNNING")
            for name, points in curves.items():
                log_curve(self._client, run_id, name, points)

    def register(self, model: str, run_id: str, *, artifact: Path, tags: Mapping[str, str]) -> str:
        """Register the artefact as a version of `model` once (same artefact hash: same version); return the version.

        The artefact goes to `adapter/<hash>` of the run, so that a second one never overwrites the first.
        """
        digest = artifact_hash(artifact)
        known = next((v.version for v in self.versions(model) if v.tags.get(HASH_TAG) == digest), None)
        if known is not None:
            self.set_tags(model, known, tags)
            return known
        with service(self._url):
            self._ensure_model(model)
            place = f"adapter/{digest[:12]}"
            upload(self._client, run_id, artifact, place)
            created = self._client.create_model_version(
                model,
                source=f"runs:/{run_id}/{place}",
                run_id=run_id,
                tags={name: short(value) for name, value in tags.items()} | {HASH_TAG: digest},
                await_creation_for=None,
            )
        return str(created.version)

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of the model, oldest first; none if nothing was registered yet."""
        with service(self._url):
            aliases = self._aliases(model)
            found = self._client.search_model_versions(f"name = {quoted(model)}")
        return [_version(v, aliases) for v in sorted(found, key=lambda v: int(v.version))]

    def set_alias(self, model: str, alias: str, version: str | None) -> None:
        """Point the alias at the version, or take it away (None). Repeating it changes nothing."""
        with service(self._url):
            if version is not None:
                self._client.set_registered_model_alias(model, alias, version)
            elif alias in self._aliases(model):
                self._client.delete_registered_model_alias(model, alias)

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Add tags to a version, or replace them."""
        with service(self._url):
            for name, value in tags.items():
                self._client.set_model_version_tag(model, version, name, short(value))

    @cached_property
    def _client(self) -> Any:
        return connect(self._url)

    def _run(self, experiment: str, run_name: str) -> tuple[str, dict[str, str], dict[str, float]]:
        """(id, parameters, metrics) of the round's run, which is created if it is not there."""
        experiment_id = self._ensure_experiment(experiment)
        found = self._client.search_runs([experiment_id], f"tags.`{ROUND_TAG}` = {quoted(run_name)}", max_results=1)
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

    def _aliases(self, model: str) -> dict[str, str]:
        """Alias -> version. Asked of the model: a search of versions leaves them out."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(model).aliases
        except MlflowException as error:
            if error.error_code in _ABSENT:
                return {}
            raise
        return {alias: str(version) for alias, version in found.items()}


def _version(found: Any, aliases: Mapping[str, str]) -> ModelVersion:
    created_at = datetime.fromtimestamp(found.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
    names = tuple(sorted(alias for alias, version in aliases.items() if version == str(found.version)))
    return ModelVersion(str(found.version), found.run_id or "", created_at, names, dict(found.tags))
