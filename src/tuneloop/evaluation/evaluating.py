"""One model on one test set: answers, scores, losses and probes, with their intervals."""

from __future__ import annotations

import hashlib
import json
import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.evaluation.gate import PROBE_SCORES
from tuneloop.evaluation.generation import Generation, generate_answers
from tuneloop.evaluation.intervals import mean_interval
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses
from tuneloop.evaluation.metrics import check_names, score
from tuneloop.evaluation.probes import load_probes, score_probes
from tuneloop.evaluation.score_files import TestRow, read_test_rows, write_answers, write_private, write_scores
from tuneloop.recipes import AnswerFormat, Evaluation
from tuneloop.records import content_hash
from tuneloop.results import Cost, EvaluationReport, Metric

if TYPE_CHECKING:
    import pandas as pd

REPORT = "report.json"
FORMAT = 1
"""Part of the key of a finished report: raise it when scores are computed in another way."""
LARGEST_EXPONENT = 700.0


def evaluate_model(
    *,
    name: str,
    model: Path,
    model_hash: str,
    data_version: str,
    test_file: Path,
    answer: AnswerFormat,
    config: Evaluation,
    probes_file: Path | None,
    system_prompt: str,
    out: Path,
    generations: Path,
    threads: int | None,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Measure a model; a finished report of the same model, rows and settings in `out` is returned at once.

    `generations` keeps answers between runs. `on_progress` is told (test rows answered, test rows in all). `out` gets
    scores.parquet (id, cluster, metrics, loss), probes.parquet, answers.jsonl (private) and, last, report.json.

    Raises:
        RecipeError: an unknown metric.
        DataError: no test rows, or broken probes.
        ModelError: the model cannot be read, or has no finite loss.
    """
    begin = time.monotonic()
    check_names(config.metrics)
    rows = read_test_rows(test_file, config.max_rows)
    key = _key(model_hash, rows, answer, config, probes_file, system_prompt)
    finished = _finished(out, key)
    if finished is not None:
        return finished.model_copy(update={"model": name, "data_version": data_version})
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    asked = LanguageModel(model, threads=threads)
    generation = generate_answers(
        model=asked,
        model_hash=model_hash,
        prompts=[record.messages[:-1] for record, _ in rows],
        system_prompt=system_prompt,
        max_new_tokens=config.max_new_tokens,
        batch_size=config.batch_size,
        cache=generations,
        on_batch=on_progress,
    )
    scores = _score_rows(asked, rows, generation, answer, config, system_prompt, generations.parent / "metric-modules")
    write_scores(out / "scores.parquet", scores)
    write_answers(out / "answers.jsonl", [record for record, _ in rows], generation.answers)
    report = EvaluationReport(
        model=name,
        model_hash=model_hash,
        data_version=data_version,
        metrics=_with_perplexity(_intervals(scores, [*config.metrics, "loss"], config.confidence)),
        probes=_probe(asked, probes_file, config, model_hash, generations, out),
        scores=str(out / "scores.parquet"),
        answers=str(out / "answers.jsonl"),
        tokens_per_second=generation.tokens_per_second,
        cost=Cost(seconds=time.monotonic() - begin, peak_rss_mib=_peak_rss_mib()),
    )
    write_private(out / REPORT, json.dumps({"key": key, "report": report.model_dump()}, indent=1))
    return report


def _key(
    model_hash: str,
    rows: Sequence[TestRow],
    answer: AnswerFormat,
    config: Evaluation,
    probes_file: Path | None,
    system_prompt: str,
) -> str:
    probes = hashlib.sha256(probes_file.read_bytes()).hexdigest() if probes_file and probes_file.is_file() else None
    settings = config.model_dump(mode="json", exclude={"rules", "batch_size", "probes"})
    tested = [[record.to_json(), cluster] for record, cluster in rows]
    return content_hash([FORMAT, model_hash, tested, answer.model_dump(mode="json"), settings, probes, system_prompt])


def _finished(out: Path, key: str) -> EvaluationReport | None:
    """The report in `out`, if it is whole, was made under this key, and its files are still there."""
    try:
        kept = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if kept.get("key") != key:
        return None
    report = EvaluationReport.model_validate(kept["report"])
    files = [Path(report.scores), Path(report.answers), *([out / PROBE_SCORES] if report.probes else [])]
    return report if all(file.is_file() for file in files) else None


def _score_rows(
    model: LanguageModel,
    rows: Sequence[TestRow],
    generation: Generation,
    answer: AnswerFormat,
    config: Evaluation,
    system_prompt: str,
    modules_cache: Path,
) -> pd.DataFrame:
    records = [record for record, _ in rows]
    expected = [record.completion for record in records]
    scores = score(config.metrics, generation.answers, expected, answer, modules_cache=modules_cache)
    scores.insert(0, "id", [record.id for record in records])
    scores.insert(1, "cluster", [cluster for _, cluster in rows])
    scores["loss"] = answer_losses(model, records, system_prompt)
    return scores


def _probe(
    model: LanguageModel, file: Path | None, config: Evaluation, model_hash: str, generations: Path, out: Path
) -> dict[str, Metric]:
    if file is None:
        return {}
    probes = load_probes(file, max_probes=config.max_probes)
    if not probes:
        return {}
    scores = score_probes(model, probes, model_hash=model_hash, batch_size=config.batch_size, cache=generations)
    write_scores(out / PROBE_SCORES, scores)
    return _intervals(scores, ["general_skills", "probe_loss"], config.confidence)


def _intervals(scores: pd.DataFrame, names: Sequence[str], confidence: float) -> dict[str, Metric]:
    clusters = scores["cluster"].tolist()
    return {name: mean_interval(scores[name].to_numpy(), clusters, confidence=confidence) for name in names}


def _with_perplexity(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Perplexity is the exponential of the mean loss, and so are its bounds."""
    loss = metrics["loss"]
    value, low, high = (math.exp(min(x, LARGEST_EXPONENT)) for x in (loss.value, loss.low, loss.high))
    return {**metrics, "perplexity": Metric(value=value, low=low, high=high, n=loss.n)}


def _peak_rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
