"""What is known of prompts before reviewers see them: models' answers, how sure they are, scores, vectors, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneloop.drift.detection import witness
from tuneloop.drift.traffic import read_window
from tuneloop.drift.watching import last_drift
from tuneloop.evaluation.evaluating import metric_columns
from tuneloop.evaluation.generation import generate_answers
from tuneloop.evaluation.gguf_model import model_in
from tuneloop.evaluation.losses import log_probabilities
from tuneloop.evaluation.metrics import MetricOptions, lower_is_better, score, without_expected
from tuneloop.ports import Embedder
from tuneloop.recipes import Strategy
from tuneloop.records import Message
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.sampling import Pool, Vectors, differences
from tuneloop.row_files import stream_rows
from tuneloop.training.export.served import require_hash
from tuneloop.workflows.review_sets.items import Model, ReviewSetup
from tuneloop.workspaces import drift_file

MAX_REFERENCE_ROWS = 2000
LOG_PROBABILITY, ANSWER_WORDS, DIFFERENCE = "log_probability", "answer_words", "difference"


@dataclass(frozen=True)
class Answers:
    """One model's answers to the prompts, in their order; log-probabilities are means per token, in nats."""

    texts: list[str]
    log_probabilities: list[float]


def answers_of(setup: ReviewSetup, model: Model, prompts: Sequence[str]) -> Answers:
    """Return greedy answers of exactly this model; those given before come from the cache, without loading it."""
    recipe, (folder, model_hash) = setup.recipe, model
    require_hash(Path(folder), model_hash)
    asked = model_in(Path(folder), threads=setup.threads)
    generation = generate_answers(
        model=asked,
        model_hash=model_hash,
        prompts=[[Message("user", prompt)] for prompt in prompts],
        system_prompt=recipe.model.system_prompt,
        max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size,
        cache=setup.generations,
    )
    sure = log_probabilities(
        asked,
        model_hash=model_hash,
        prompts=prompts,
        answers=generation.answers,
        system_prompt=recipe.model.system_prompt,
        cache=setup.generations,
    )
    return Answers(generation.answers, sure)


def text_scores(setup: ReviewSetup, answers: Sequence[str]) -> list[dict[str, float]]:
    """Return the recipe's metrics and `review.score`, if they need no expected answer, and the number of words."""
    recipe, review = setup.recipe, setup.recipe.review
    metrics = dict.fromkeys([*recipe.evaluation.metrics, *([review.score] if review.score else [])])
    names = without_expected(list(metrics), setup.root)
    options = MetricOptions(recipe.data.answer, recipe.evaluation.terms, setup.root, setup.embedder)
    cache = setup.workspace / "metric-modules"
    found = score(names, answers, [""] * len(answers), options, modules_cache=cache) if names else None
    rows = found.to_dict("records") if found is not None else [{} for _ in answers]
    return [
        {str(name): float(value) for name, value in row.items()} | {ANSWER_WORDS: float(len(answer.split()))}
        for row, answer in zip(rows, answers, strict=True)
    ]


def pool_of(
    setup: ReviewSetup,
    prompts: Sequence[str],
    ours: Answers,
    theirs: Answers | None,
    *,
    vectors: Vectors,
    scores: Sequence[Mapping[str, float]],
    shares: Mapping[Strategy, float],
    data_folder: Path,
) -> Pool:
    """Return the prompts with the evidence of each strategy that has a share. `scores` are those of our answers."""
    evidence: dict[Strategy, Sequence[float]] = {"uncertain": [-sure for sure in ours.log_probabilities]}
    unavailable: dict[Strategy, str] = {}
    if theirs is None:
        unavailable["disagreement"] = "there is no second model to compare with"
    else:
        evidence["disagreement"] = differences(ours.texts, theirs.texts)
    if shares.get("low_score"):
        evidence["low_score"] = _lowness(setup, scores)
    unlike = drifted(setup, vectors, data_folder) if shares.get("drifted") else None
    if unlike is None:
        unavailable["drifted"] = "no drift has been found in the traffic"
    else:
        evidence["drifted"] = unlike
    return Pool([prompt_hash(prompt) for prompt in prompts], evidence, vectors, unavailable)


def vectors_of(prompts: Sequence[str], embedder: Embedder) -> Vectors:
    """Embed the prompts, in their order. Batches go by the texts, as they change a vector a little."""
    order = sorted(range(len(prompts)), key=lambda position: prompts[position])
    found = embedder.embed([prompts[position] for position in order])
    vectors = np.empty_like(found)
    vectors[order] = found
    return vectors


def drifted(setup: ReviewSetup, vectors: Vectors, data_folder: Path) -> list[float] | None:
    """Measure how much more each prompt is like the window that drifted last than like the training prompts.

    NaN where it is not. None: there was no drift, or its rows are gone from the log.
    """
    report = last_drift(drift_file(setup.workspace, setup.recipe.name))
    if report is None or report.window_end is None:
        return None
    window = read_window(setup.traffic, report.window_end, report.window_rows)
    reference = training_prompts(data_folder)
    if not window or not reference:
        return None
    embed = setup.embedder.embed
    seed = int((report.window_id or "0")[:8], 16)
    found = witness(embed(reference), embed([row.prompt for row in window]), vectors, seed=seed)
    return [value if value > 0 else float("nan") for value in found]


def training_prompts(data_folder: Path) -> list[str]:
    """Return the prompts of a data version's training rows; evenly spaced ones where there are many."""
    prompts = [row.prompt for row in stream_rows(data_folder / "train.parquet")]
    return prompts[:: max(len(prompts) // MAX_REFERENCE_ROWS, 1)][:MAX_REFERENCE_ROWS]


def _lowness(setup: ReviewSetup, scores: Sequence[Mapping[str, float]]) -> list[float]:
    names = [setup.recipe.review.score or ""]
    (column,) = metric_columns(names)
    sign = 1.0 if column in lower_is_better(names, setup.root) else -1.0
    return [sign * row[column] for row in scores]
