"""Evaluation of one model, and the gate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import task
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import key, run_cached
from tasks.evaluation_display import show_evaluation, show_verdict
from tuneloop.data.leaks import leaked_rows
from tuneloop.data.slices import slice_values
from tuneloop.data.snapshots import splits_in
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.gate import decide
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.soundness import Trained, soundness_of
from tuneloop.evaluation.suites.chosen import suites_of
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport, EvaluationReport, Opinion, TrainingReport, Verdict
from tuneloop.training.export.served import require_hash


def evaluation_of(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    """Scores of one model on the held-out rows; from the cache when neither has changed."""
    return run_cached(evaluate, lambda r: [r.scores], recipe, data, name, model, model_hash)


def setup_of(recipe: Recipe, data: DataReport) -> EvaluationSetup:
    """What the recipe's models are measured on, in this data version."""
    here, config = wiring.settings(), recipe.evaluation
    return EvaluationSetup(
        test_file=Path(data.folder) / "test.parquet",
        validation_file=Path(data.folder) / "validation.parquet",
        config=config,
        metrics=MetricOptions(
            answer=recipe.data.answer,
            terms=config.terms,
            root=here.root,
            embedder=wiring.embedder() if "semantic_similarity" in config.metrics else None,
        ),
        system_prompt=recipe.model.system_prompt,
        suites=suites_of(config, here.root, labels=recipe.data.answer.labels),
        slice_values=partial(slice_values, answer=recipe.data.answer),
        generations=here.workspace_path / "generations",
        threads=here.threads,
    )


def _evaluation_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    # The test rows themselves count: a new data version with the same ones changes nothing here.
    setup = setup_of(parameters["recipe"], parameters["data"])
    return key("evaluation", identity=setup.identity(parameters["model_hash"]))


@task(
    name="evaluate",
    task_run_name="evaluate {name}",
    cache_key_fn=_evaluation_key,
    persist_result=True,
    result_serializer="json",
)
def evaluate(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    """Answers, metrics, losses and suites of one model, whose files are what they are said to be."""
    require_hash(Path(model), model_hash)
    setup = setup_of(recipe, data)
    report = evaluate_model(
        name=name,
        model=Path(model),
        model_hash=model_hash,
        data_version=data.version,
        setup=setup,
        out=wiring.workspace() / "evaluations" / recipe.name / setup.identity(model_hash)[:32],
    )
    show_evaluation(recipe.name, report)
    return report


@task(name="gate", task_run_name="gate {recipe.name}")
def judge(
    recipe: Recipe,
    data: DataReport,
    training: TrainingReport,
    served_hash: str,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    opinions: Sequence[Opinion] = (),
) -> Verdict:
    """Promote or refuse, with the reasons in writing. `served_hash` is that of what would be served of the training."""
    evaluation, folder = recipe.evaluation, Path(data.folder)
    trained = Trained(
        model_hash=served_hash,
        prompt_format=training.prompt_format,
        leaked=leaked_rows(
            folder / "train.parquet",
            [folder / f"{split}.parquet" for split in splits_in(folder) if split in {"test", "private"}],
            near_jaccard=recipe.data.checks.near_duplicate_jaccard,
        ),
    )
    verdict = decide(
        candidate=candidate,
        base=base,
        champion=champion,
        rules=evaluation.rules,
        confidence=evaluation.confidence,
        improvement=evaluation.improvement,
        opinions=opinions,
        soundness=soundness_of(candidate, base, champion, trained),
        min_slice_rows=evaluation.min_slice_rows,
        seed=evaluation.seed,
    )
    show_verdict(recipe.name, verdict, candidate)
    return verdict
