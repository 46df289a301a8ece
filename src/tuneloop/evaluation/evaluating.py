"""One model on one test set: answers, scores, losses and suites, with their intervals."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop import chat
from tuneloop.evaluation.generation import Generation
from tuneloop.evaluation.gguf_model import artefact_in, model_in
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses
from tuneloop.evaluation.metrics import MetricOptions, check_names, lower_is_better, score
from tuneloop.evaluation.metrics import identity as metrics_identity
from tuneloop.evaluation.score_files import (
    TestRow,
    read_test_rows,
    write_answers,
    write_scores,
    write_suite_answers,
)
from tuneloop.evaluation.speed import measure_speed
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.suite import Suite, SuiteScores
from tuneloop.evaluation.summaries import by_slice, by_value, intervals, with_perplexity
from tuneloop.files import atomic_write
from tuneloop.recipes import Evaluation
from tuneloop.records import Record, content_hash
from tuneloop.results import Cost, EvaluationReport, Metric, Speed

if TYPE_CHECKING:
    import pandas as pd

REPORT = "report.json"
FORMAT = 2
"""Part of the key of a finished report: raise it when scores are computed in another way."""
SPEED_PROMPTS, SPEED_TOKENS = 8, 32

SliceValues = Callable[[Record, str], Sequence[str]]


@dataclass(frozen=True)
class EvaluationSetup:
    """What every model of a recipe is measured on, and with what.

    `validation_file` gives rows that were not trained on either: a model that does better on the test rows than those
    let expect has seen them (see tuneloop.evaluation.contamination).
    """

    test_file: Path
    validation_file: Path | None
    config: Evaluation
    metrics: MetricOptions
    system_prompt: str
    suites: Sequence[Suite]
    slice_values: SliceValues
    generations: Path
    """Answers are kept here between runs."""
    threads: int | None = None

    def identity(self, model_hash: str) -> str:
        """Changes with anything that may change a score."""
        settings = self.config.model_dump(
            mode="json", exclude={"rules", "improvement", "judge", "batch_size", "artefact"}
        )
        rows = [[[r.to_json(), cluster] for r, cluster in self._rows(file)] for file in self._files()]
        suites = [[suite.name, suite.identity()] for suite in self.suites]
        answer = self.metrics.answer.model_dump(mode="json")
        metrics = metrics_identity(self.config.metrics, self.metrics.root, self.metrics.answer.json_schema)
        return content_hash([FORMAT, model_hash, rows, settings, suites, answer, metrics, self.system_prompt])

    def test_rows(self) -> list[TestRow]:
        return self._rows(self.test_file)

    def validation_rows(self) -> list[TestRow]:
        """As many as there are test rows at most; none where there is no validation file, or nothing in it."""
        return [row for file in self._files()[1:] for row in self._rows(file)]

    def _files(self) -> list[Path]:
        return [self.test_file, *([self.validation_file] if self.validation_file else [])]

    def _rows(self, file: Path) -> list[TestRow]:
        return read_test_rows(file, self.config.max_rows, may_be_empty=file != self.test_file)


def evaluate_model(
    *,
    name: str,
    model: Path,
    model_hash: str,
    data_version: str,
    setup: EvaluationSetup,
    out: Path,
    on_progress: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Measure a model; a finished report of the same model, rows and settings in `out` is returned at once.

    `on_progress` is told (test rows answered, test rows in all). `out` gets the files that EvaluationReport names and,
    last, report.json.

    Raises:
        RecipeError: an unknown metric.
        DataError: no test rows, or a broken suite.
        ModelError: the model cannot be read, or has no finite loss.
    """
    begin = time.monotonic()
    check_names(setup.config.metrics, setup.metrics.root, setup.metrics.answer.json_schema)
    key = setup.identity(model_hash)
    finished = _finished(out, key)
    if finished is not None:
        return finished.model_copy(update={"model": name, "data_version": data_version})
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    asked = model_in(model, threads=setup.threads)
    subject = Subject(asked, model_hash, setup.system_prompt, setup.config.batch_size, setup.generations)
    rows = setup.test_rows()
    generation = subject.answers(
        [record.messages[:-1] for record, _ in rows], max_new_tokens=setup.config.max_new_tokens, on_batch=on_progress
    )
    scores = _score_rows(asked, rows, generation, setup)
    write_scores(out / "scores.parquet", scores)
    write_answers(out / "answers.jsonl", [record for record, _ in rows], generation.answers)
    _write_validation_losses(asked, setup, out)
    measured = {suite.name: _measure(suite, subject, out) for suite in setup.suites}
    names = [*metric_columns(setup.config.metrics), "loss"]
    lower = lower_is_better(setup.config.metrics, setup.metrics.root) | {"loss"}
    confidence = setup.config.confidence
    report = EvaluationReport(
        model=name,
        model_hash=model_hash,
        data_version=data_version,
        metrics=with_perplexity(intervals(scores, names, lower, confidence)),
        suites={suite: _intervals(found, confidence) for suite, found in measured.items()},
        slices=by_slice(scores, setup.config.slices, names, lower, confidence, min_rows=setup.config.min_slice_rows),
        categories=_categories(measured, confidence),
        speed=_speed(asked, rows, setup) if setup.config.speed else None,
        scores=str(out / "scores.parquet"),
        answers=str(out / "answers.jsonl"),
        tokens_per_second=generation.tokens_per_second,
        cut_off=generation.cut_off,
        prompt_format=chat.prompt_format(asked.tokenizer, setup.system_prompt),
        artefact=artefact_in(model),
        cost=Cost(seconds=time.monotonic() - begin, peak_rss_mib=_peak_rss_mib()),
    )
    atomic_write(out / REPORT, json.dumps({"key": key, "report": report.model_dump()}, indent=1))
    return report


def metric_columns(names: Sequence[str]) -> list[str]:
    """Metrics as their scores are named: a file of the user's gives its stem."""
    return [Path(name).stem if name.endswith(".py") else name for name in names]


def _finished(out: Path, key: str) -> EvaluationReport | None:
    """The report in `out`, if it is whole, was made under this key, and its files are still there."""
    try:
        kept = json.loads((out / REPORT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if kept.get("key") != key:
        return None
    report = EvaluationReport.model_validate(kept["report"])
    files = [Path(report.scores), Path(report.answers), *(out / f"{suite}.parquet" for suite in report.suites)]
    return report if all(file.is_file() for file in files) else None


def _score_rows(
    model: LanguageModel, rows: Sequence[TestRow], generation: Generation, setup: EvaluationSetup
) -> pd.DataFrame:
    records = [record for record, _ in rows]
    expected = [record.completion for record in records]
    modules_cache = setup.generations.parent / "metric-modules"
    scores = score(setup.config.metrics, generation.answers, expected, setup.metrics, modules_cache=modules_cache)
    scores.insert(0, "id", [record.id for record in records])
    scores.insert(1, "cluster", [cluster for _, cluster in rows])
    scores["loss"] = answer_losses(model, records, setup.system_prompt)
    for by in setup.config.slices:
        scores[by] = ["|".join(setup.slice_values(record, by)) for record in records]
    return scores


def _write_validation_losses(model: LanguageModel, setup: EvaluationSetup, out: Path) -> None:
    import pandas as pd

    rows = setup.validation_rows()
    losses = answer_losses(model, [record for record, _ in rows], setup.system_prompt)
    frame = {"id": [r.id for r, _ in rows], "cluster": [cluster for _, cluster in rows], "loss": losses}
    write_scores(out / "validation.parquet", pd.DataFrame(frame))


def _measure(suite: Suite, subject: Subject, out: Path) -> SuiteScores:
    found = suite.measure(subject)
    write_scores(out / f"{suite.name}.parquet", found.frame)
    write_suite_answers(out / f"{suite.name}.jsonl", found.answers)
    return found


def _intervals(found: SuiteScores, confidence: float) -> dict[str, Metric]:
    return intervals(found.frame, found.metrics, found.lower_is_better, confidence)


def _categories(measured: Mapping[str, SuiteScores], confidence: float) -> dict[str, dict[str, Metric]]:
    return {
        f"{suite}={value}": metrics
        for suite, found in measured.items()
        for value, metrics in by_value(
            found.frame, "category", found.metrics, found.lower_is_better, confidence, min_rows=1
        ).items()
    }


def _speed(model: LanguageModel, rows: Sequence[TestRow], setup: EvaluationSetup) -> Speed:
    prompts = [chat.prompt_ids(model.tokenizer, r.messages[:-1], setup.system_prompt) for r, _ in rows[:SPEED_PROMPTS]]
    return measure_speed(
        model,
        prompts,
        max_new_tokens=min(SPEED_TOKENS, setup.config.max_new_tokens),
        batch_size=setup.config.batch_size,
    )


def _peak_rss_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
