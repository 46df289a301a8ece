"""Evaluation of one model, the gate, and the private test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import task
from prefect.context import TaskRunContext
from prefect.runtime import flow_run

from tasks import wiring
from tasks.caching import key, run_cached
from tasks.display import show_evaluation, show_private_test, show_verdict
from tasks.registry import champion_of
from tuneloop.evaluation.evaluating import EvaluationSetup
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport, EvaluationReport, Opinion, Round, TrainingReport, Verdict
from tuneloop.results.private_test import PrivateReport
from tuneloop.workflows import evaluate as workflow


def evaluation_of(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    """Return scores of one model on the held-out rows; from the cache when neither has changed."""
    return run_cached(evaluate, lambda r: [r.scores], recipe, data, name, model, model_hash)


def _setup(recipe: Recipe, data: DataReport) -> EvaluationSetup:
    return workflow.setup_of(recipe, data, wiring.settings(), wiring.embedder())


def _evaluation_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    # The test rows themselves count: a new data version with the same ones changes nothing here.
    setup = _setup(parameters["recipe"], parameters["data"])
    return key("evaluation", identity=setup.identity(parameters["model_hash"]))


@task(
    name="evaluate",
    task_run_name="evaluate {name}",
    cache_key_fn=_evaluation_key,
    persist_result=True,
    result_serializer="json",
)
def evaluate(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    """Measure answers, metrics, losses and suites of one model."""
    report = workflow.evaluate(
        recipe,
        data,
        name=name,
        model=Path(model),
        model_hash=model_hash,
        setup=_setup(recipe, data),
        workspace=wiring.workspace(),
    )
    show_evaluation(recipe.name, report)
    return report


@task(name="gate", task_run_name="gate {recipe.name}")
def gate(
    recipe: Recipe,
    data: DataReport,
    training: TrainingReport,
    served_hash: str,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    judgments: Sequence[Opinion] = (),
) -> Verdict:
    """Promote or refuse, with the reasons in writing. `served_hash` is that of the training's serving artifact."""
    verdict = workflow.decide_by_gate(recipe, data, training, served_hash, candidate, base, champion, judgments)
    show_verdict(recipe.name, verdict, candidate)
    return verdict


@task(name="private test", task_run_name="private test round {round_.number}", retries=1, retry_delay_seconds=5)
def private_score(recipe: Recipe, round_: Round) -> PrivateReport | None:
    """Score a model that is to be promoted on the private rows, so that this score cannot have promoted it.

    None where there are no such rows, and for a model that is not to be promoted.
    """
    if not workflow.has_private_test(round_):
        return None
    report = workflow.score_on_private_rows(
        recipe,
        round_,
        champion=champion_of(recipe.name),
        setup=_setup(recipe, round_.data),
        registry=wiring.registry(),
        workspace=wiring.workspace(),
        flow_run_id=flow_run.get_id(),
    )
    show_private_test(report)
    return report
