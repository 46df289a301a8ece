"""The only place where settings become adapters."""

from __future__ import annotations

import os
from pathlib import Path

from tuneloop import workspaces
from tuneloop.data.stages import InThisProcess
from tuneloop.errors import ServiceError
from tuneloop.ports import AnnotationBackend, Completer, Embedder, Executor, Registry, Rewriter
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Judge, Model, Recipe, readable_recipe
from tuneloop.settings import Settings


def settings() -> Settings:
    return Settings()


def workspace() -> Path:
    return settings().workspace_path


def recipe_at(path: str) -> Recipe:
    """A recipe by its path under the project's root."""
    here = settings()
    return readable_recipe(here.root / path, root=here.root, workspace=here.workspace_path)


def feedback_folder(recipe: str) -> Path:
    return workspaces.feedback_folder(workspace(), recipe)


def annotation_backend(recipe: Recipe) -> AnnotationBackend:
    """Where the recipe's answers are judged: an Argilla server, or files that need none."""
    if recipe.review.backend == "files":
        from tuneloop.adapters.file_backend import FileBackend

        return FileBackend(workspace() / "review-files" / recipe.name, pseudonym_key=pseudonym_key(workspace()))
    from tuneloop.adapters.argilla.backend import ArgillaBackend

    here = settings()
    if here.argilla_url is None or here.argilla_api_key is None:
        raise ServiceError(
            "no Argilla server is configured: run `tuneloop up`, set TUNELOOP_ARGILLA_URL and "
            "TUNELOOP_ARGILLA_API_KEY, or set `review: {backend: files}` in the recipe"
        )
    return ArgillaBackend(
        here.argilla_url,
        here.argilla_api_key.get_secret_value(),
        pseudonym_key=pseudonym_key(workspace()),
        public_url=here.argilla_public_url,
        workspace=recipe.review.team,
        annotators=recipe.review.annotators,
        adjudicators=recipe.review.adjudication.adjudicators,
    )


def registry() -> Registry:
    from tuneloop.adapters.mlflow_registry import MlflowRegistry

    url = settings().mlflow_url
    if url is None:
        raise ServiceError("no MLflow server is configured: run `tuneloop up` or set TUNELOOP_MLFLOW_URL")
    return MlflowRegistry(url)


def embedder() -> Embedder:
    from tuneloop.adapters.minilm import MiniLM

    return MiniLM()


def rewriter(base: Path) -> Rewriter:
    from tuneloop.adapters.local_rewriter import LocalRewriter

    return LocalRewriter(base)


def judge(config: Judge) -> Completer:
    """The model that a recipe names as judge: at its endpoint, or in a local folder."""
    if config.endpoint is not None:
        from tuneloop.adapters.judge_endpoint import JudgeEndpoint, key_in

        return JudgeEndpoint(endpoint=config.endpoint, model=config.model, api_key=key_in(config.api_key_variable))
    from tuneloop.adapters.local_judge import LocalJudge
    from tuneloop.training.base_models import folder_hash, prepare_base

    folder = prepare_base(Model(base=config.model), workspaces.base_models(workspace()))
    return LocalJudge(folder, model_hash=folder_hash(folder), threads=settings().threads)


def executor() -> Executor:
    """Where the data checks run; see TUNELOOP_EXECUTOR."""
    here = settings()
    if here.executor == "ray":
        from tuneloop.adapters.ray_executor import RayExecutor

        return RayExecutor(here.ray_address, here.workers)
    if here.executor == "processes":
        from tuneloop.adapters.process_executor import ProcessExecutor

        return ProcessExecutor(here.workers or os.cpu_count() or 1)
    return InThisProcess()
