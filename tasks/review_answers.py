"""What is known of the prompts before people see them: models' answers, how sure they are, scores, vectors, drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import wiring
from tuneloop.data.snapshots import stream_rows
from tuneloop.drift.detection import witness
from tuneloop.drift.traffic import read_window
from tuneloop.drift.watching import last_drift
from tuneloop.evaluation.evaluating import metric_columns
from tuneloop.evaluation.generation import generate_answers
from tuneloop.evaluation.gguf_model import model_in
from tuneloop.evaluation.metrics import MetricOptions, lower_is_better, score, without_expected
from tuneloop.evaluation.own_answers import log_probabilities
from tuneloop.recipes import Recipe, Strategy
from tuneloop.records import Message
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.sampling import Pool, Vectors, differences
from tuneloop.training.export.served import require_hash

MAX_REFERENCE_ROWS = 2000
LOG_PROBABILITY, ANSWER_WORDS, DIFFERENCE = "log_probability", "answer_words", "difference"

Model = tuple[str, str]
"""Folder and hash."""


@dataclass(frozen=True)
class Answers:
    """One model's answers to the prompts, in their order; log-probabilities are means per token, in nats."""

    texts: list[str]
    log_probabilities: list[float]


def answers_of(recipe: Recipe, model: Model, prompts: Sequence[str]) -> Answers:
    """Greedy answers of exactly this model; what it was asked before comes from the cache, without loading it."""
    here, (folder, model_hash) = wiring.settings(), model
    require_hash(Path(folder), model_hash)
    asked = model_in(Path(folder), threads=here.threads)
    generation = generate_answers(
        model=asked,
        model_hash=model_hash,
        prompts=[[Message("user", prompt)] for prompt in prompts],
        system_prompt=recipe.model.system_prompt,
        max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size,
        cache=here.workspace_path / "generations",
    )
    sure = log_probabilities(
        asked,
        model_hash=model_hash,
        prompts=prompts,
        answers=generation.answers,
        system_prompt=recipe.model.system_prompt,
        cache=here.workspace_path / "generations",
    )
    return Answers(generation.answers, sure)


def text_scores(recipe: Recipe, answers: Sequence[str]) -> list[dict[str, float]]:
    """Metrics of the recipe, and `review.score`, that need no expected answer; and the number of words."""
    here, review = wiring.settings(), recipe.review
    metrics = dict.fromkeys([*recipe.evaluation.metrics, *([review.score] if review.score else [])])
    names = without_expected(list(metrics), here.root)
    options = MetricOptions(recipe.data.answer, recipe.evaluation.terms, here.root, wiring.embedder())
    cache = here.workspace_path / "metric-modules"
    found = score(names, answers, [""] * len(answers), options, modules_cache=cache) if names else None
    rows = found.to_dict("records") if found is not None else [{} for _ in answers]
    return [
        {str(name): float(value) for name, value in row.items()} | {ANSWER_WORDS: float(len(answer.split()))}
        for row, answer in zip(rows, answers, strict=True)
    ]


def pool_of(
    recipe: Recipe,
    prompts: Sequence[str],
    ours: Answers,
    theirs: Answers | None,
    *,
    vectors: Vectors,
    scores: Sequence[Mapping[str, float]],
    shares: Mapping[Strategy, float],
    data_folder: Path,
) -> Pool:
    """The prompts with what each strategy that has a share goes by. `scores` are those of our answers' texts."""
    evidence: dict[Strategy, Sequence[float]] = {"uncertain": [-sure for sure in ours.log_probabilities]}
    unavailable: dict[Strategy, str] = {}
    if theirs is None:
        unavailable["disagreement"] = "there is no second model to compare with"
    else:
        evidence["disagreement"] = differences(ours.texts, theirs.texts)
    if shares.get("low_score"):
        evidence["low_score"] = _lowness(recipe, scores)
    unlike = drifted(recipe, vectors, data_folder) if shares.get("drifted") else None
    if unlike is None:
        unavailable["drifted"] = "no drift has been found in the traffic"
    else:
        evidence["drifted"] = unlike
    return Pool([prompt_hash(prompt) for prompt in prompts], evidence, vectors, unavailable)


def vectors_of(prompts: Sequence[str]) -> Vectors:
    """MiniLM vectors, in the order of the prompts. Batches go by the texts: they change a vector a little."""
    order = sorted(range(len(prompts)), key=lambda position: prompts[position])
    found = wiring.embedder().embed([prompts[position] for position in order])
    vectors = np.empty_like(found)
    vectors[order] = found
    return vectors


def drifted(recipe: Recipe, vectors: Vectors, data_folder: Path) -> list[float] | None:
    """How much more each prompt is like the window that drifted last than like the training prompts; NaN where it is
    not. None: there was no drift, or its rows are gone from the log."""
    report = last_drift(wiring.workspace() / "drift" / f"{recipe.name}.json")
    if report is None or report.window_end is None:
        return None
    window = read_window(wiring.traffic_file(recipe.name), report.window_end, report.window_rows)
    reference = training_prompts(data_folder)
    if not window or not reference:
        return None
    said = _witness([row.prompt for row in window], reference, vectors, seed=int((report.window_id or "0")[:8], 16))
    return [value if value > 0 else float("nan") for value in said]


def training_prompts(data_folder: Path) -> list[str]:
    """Of the latest data version; evenly spaced ones where there are many."""
    prompts = [row.prompt for row in stream_rows(data_folder / "train.parquet")]
    return prompts[:: max(len(prompts) // MAX_REFERENCE_ROWS, 1)][:MAX_REFERENCE_ROWS]


def _witness(window: Sequence[str], reference: Sequence[str], rows: Vectors, *, seed: int) -> NDArray[np.float64]:
    embedder = wiring.embedder()
    return witness(embedder.embed(reference), embedder.embed(window), rows, seed=seed)


def _lowness(recipe: Recipe, scores: Sequence[Mapping[str, float]]) -> list[float]:
    names = [recipe.review.score or ""]
    (column,) = metric_columns(names)
    sign = 1.0 if column in lower_is_better(names, wiring.settings().root) else -1.0
    return [sign * row[column] for row in scores]
