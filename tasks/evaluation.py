"""Evaluation of one model, and the gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import file_hash, key, run_cached
from tuneloop.evaluation.evaluating import evaluate_model
from tuneloop.evaluation.gate import decide
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport, EvaluationReport, Verdict


def evaluation_of(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    """Scores of one model on the held-out rows; from the cache when neither has changed."""
    return run_cached(evaluate, lambda r: [r.scores], recipe, data, name, model, model_hash)


def _evaluation_identity(recipe: Recipe, data: DataReport, model_hash: str) -> str:
    return key(
        "evaluation",
        model=model_hash,
        # The test rows themselves: a new data version with the same test rows changes nothing here.
        test=file_hash(Path(data.folder) / "test.parquet"),
        evaluation=recipe.evaluation.model_dump(exclude={"rules"}),
        probes=file_hash(wiring.settings().root / recipe.evaluation.probes) if recipe.evaluation.probes else "",
        answer=recipe.data.answer.model_dump(),
        system_prompt=recipe.model.system_prompt,
    )


def _evaluation_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    return _evaluation_identity(parameters["recipe"], parameters["data"], parameters["model_hash"])


@task(
    name="evaluate",
    task_run_name="evaluate {name}",
    cache_key_fn=_evaluation_key,
    persist_result=True,
    result_serializer="json",
)
def evaluate(recipe: Recipe, data: DataReport, name: str, model: str, model_hash: str) -> EvaluationReport:
    here = wiring.settings()
    probes = recipe.evaluation.probes
    return evaluate_model(
        name=name,
        model=Path(model),
        model_hash=model_hash,
        data_version=data.version,
        test_file=Path(data.folder) / "test.parquet",
        answer=recipe.data.answer,
        config=recipe.evaluation,
        probes_file=here.root / probes if probes else None,
        system_prompt=recipe.model.system_prompt,
        out=here.workspace_path / "evaluations" / recipe.name / _evaluation_identity(recipe, data, model_hash),
        generations=here.workspace_path / "generations",
        threads=here.threads,
    )


@task(name="gate", task_run_name="gate {recipe.name}")
def judge(
    recipe: Recipe, candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None
) -> Verdict:
    """Promote or refuse, with the reasons in writing."""
    evaluation = recipe.evaluation
    verdict = decide(
        candidate=candidate, base=base, champion=champion, rules=evaluation.rules, confidence=evaluation.confidence
    )
    reasons = "\n".join(f"- {'✅' if r.passed else '❌'} {r.text}" for r in verdict.reasons)
    create_markdown_artifact(key=f"gate-{recipe.name}", markdown=f"## {verdict.decision}\n\n{reasons}")
    return verdict
