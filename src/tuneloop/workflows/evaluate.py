"""Evaluate a model on a data version, judge a candidate by the gate, and score it on the private rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from tuneloop.data.leaks import leaked_rows
from tuneloop.data.slices import slice_values
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.gate import decide
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.private_test import Asked, score_private
from tuneloop.evaluation.private_uses import UseLedger
from tuneloop.evaluation.soundness import Trained, soundness_of
from tuneloop.evaluation.suites.chosen import suites_of
from tuneloop.ports import Embedder, Registry
from tuneloop.recipes import Recipe
from tuneloop.registry.rounds import served_by
from tuneloop.results import DataReport, EvaluationReport, Opinion, Round, TrainingReport, Verdict
from tuneloop.results.private_test import PrivateReport
from tuneloop.row_files import splits_in
from tuneloop.settings import Settings
from tuneloop.training.export.served import require_hash
from tuneloop.workspaces import generations


def setup_of(recipe: Recipe, data: DataReport, settings: Settings, embedder: Embedder) -> EvaluationSetup:
    """Return what the recipe's models are measured on, in this data version."""
    config = recipe.evaluation
    return EvaluationSetup(
        test_file=Path(data.folder) / "test.parquet",
        validation_file=Path(data.folder) / "validation.parquet",
        config=config,
        metrics=MetricOptions(
            answer=recipe.data.answer,
            terms=config.terms,
            root=settings.root,
            embedder=embedder if "semantic_similarity" in config.metrics else None,
        ),
        system_prompt=recipe.model.system_prompt,
        suites=suites_of(config, settings.root, labels=recipe.data.answer.labels),
        slice_values=partial(slice_values, answer=recipe.data.answer),
        generations=generations(settings.workspace_path),
        threads=settings.threads,
    )


def evaluate(
    recipe: Recipe,
    data: DataReport,
    *,
    name: str,
    model: Path,
    model_hash: str,
    setup: EvaluationSetup,
    workspace: Path,
) -> EvaluationReport:
    """Measure answers, metrics, losses and suites of one model, whose files must have the hash `model_hash`."""
    require_hash(model, model_hash)
    return evaluate_model(
        name=name,
        model=model,
        model_hash=model_hash,
        data_version=data.version,
        setup=setup,
        out=workspace / "evaluations" / recipe.name / setup.identity(model_hash)[:32],
    )


def decide_by_gate(
    recipe: Recipe,
    data: DataReport,
    training: TrainingReport,
    served_hash: str,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    judgments: Sequence[Opinion] = (),
) -> Verdict:
    """Decide by the gate, with the reasons in writing. `served_hash` is that of the training's serving artifact."""
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
    return decide(
        candidate=candidate,
        base=base,
        champion=champion,
        rules=evaluation.rules,
        confidence=evaluation.confidence,
        improvement=evaluation.improvement,
        opinions=judgments,
        soundness=soundness_of(candidate, base, champion, trained),
        min_slice_rows=evaluation.min_slice_rows,
        seed=evaluation.seed,
    )


def has_private_test(round_: Round) -> bool:
    """Whether the round's model is to be promoted and there are private rows to score it on."""
    return round_.verdict.decision == "promote" and _private_file(round_).is_file()


def score_on_private_rows(
    recipe: Recipe,
    round_: Round,
    *,
    champion: Mapping[str, str] | None,
    setup: EvaluationSetup,
    registry: Registry,
    workspace: Path,
    flow_run_id: str | None,
) -> PrivateReport:
    """Score the round's model on the private rows; logged as a use, and tracked as `private_<metric>`."""
    if champion is not None:
        UseLedger.of(workspace, recipe.name).note_promotion(served_by(champion)[1])
    folder = Path(round_.served_path or round_.training.model)
    require_hash(folder, round_.candidate.model_hash)
    report = score_private(
        Asked(
            recipe=recipe.name,
            model=f"round {round_.number}",
            model_hash=round_.candidate.model_hash,
            folder=folder,
            data_version=round_.data.version,
            by="retraining-cycle",
            flow_run_id=flow_run_id,
        ),
        setup=setup,
        private_file=_private_file(round_),
        workspace=workspace,
    )
    run_name = f"{recipe.name}-{round_.training_key}"
    registry.log_round(recipe.name, run_name, params={}, metrics=report.tracked, tags={}, artifacts=[])
    return report


def _private_file(round_: Round) -> Path:
    return Path(round_.data.folder) / "private.parquet"
