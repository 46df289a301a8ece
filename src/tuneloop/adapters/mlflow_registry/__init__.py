"""MLflow as the registry: a run per round, a model version per artefact, aliases for the versions that matter."""

from tuneloop.adapters.mlflow_registry.artefacts import artifact_hash
from tuneloop.adapters.mlflow_registry.registry import HASH_TAG, ROUND_TAG, UPDATED, MlflowRegistry

__all__ = ["HASH_TAG", "ROUND_TAG", "UPDATED", "MlflowRegistry", "artifact_hash"]
