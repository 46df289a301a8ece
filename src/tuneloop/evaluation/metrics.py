"""Score answers against the expected ones, by metrics of the `evaluate` library: ours in modules/, users' in files."""

from __future__ import annotations

import math
import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import RecipeError, TuneloopError
from tuneloop.evaluation.answer_fields import read_schema
from tuneloop.evaluation.modules.scoring.metric_files import FOLDER, MetricFile, built_in_metrics, read_metric
from tuneloop.ports import Embedder
from tuneloop.recipes import AnswerFormat, Terms
from tuneloop.records import content_hash

if TYPE_CHECKING:
    import pandas as pd

AVAILABLE = {metric.name: metric.description for metric in built_in_metrics()}
"""What a recipe may name under `metrics`, besides paths of files: name -> what it is, in one line."""


@dataclass(frozen=True, slots=True)
class MetricOptions:
    """What a metric may need besides the texts. Paths in a recipe are relative to `root`, the project's folder."""

    answer: AnswerFormat = field(default_factory=AnswerFormat)
    terms: Terms = field(default_factory=Terms)
    root: Path = Path()
    embedder: Embedder | None = None


def score(
    names: Sequence[str],
    answers: Sequence[str],
    expected: Sequence[str],
    options: MetricOptions,
    *,
    modules_cache: Path | None = None,
) -> pd.DataFrame:
    """One column per metric, one row per answer; a metric from a file is called as the file, without `.py`.

    All are between 0 and 1 but `length_difference` and those from files. `modules_cache` is where `evaluate` copies
    modules before it imports them; HF_HOME or HF_MODULES_CACHE win over it.

    Raises:
        RecipeError: a metric that we do not have, that may not be loaded, or that fails.
    """
    import pandas as pd

    files = _metric_files(names, options.root)
    if not answers:
        return pd.DataFrame(columns=[file.name for file in files], dtype=float)
    given, wanted = [_writable(text) for text in answers], [_writable(text) for text in expected]
    return pd.DataFrame({file.name: _scores(file, given, wanted, options, modules_cache) for file in files})


def check_names(names: Sequence[str], root: Path, json_schema: str | None = None) -> None:
    """Raise RecipeError for a metric or a JSON Schema that cannot be used, before a model spends minutes on answers."""
    _metric_files(names, root)
    if json_schema is not None:
        read_schema(json_schema, root)


def lower_is_better(names: Sequence[str], root: Path) -> frozenset[str]:
    """Columns, of those that `names` give, where a lower score is a better one.

    Raises:
        RecipeError: as `check_names`.
    """
    return frozenset(file.name for file in _metric_files(names, root) if file.lower_is_better)


def without_expected(names: Sequence[str], root: Path) -> list[str]:
    """Those of the metrics that also score an answer where nobody knows the right one.

    Raises:
        RecipeError: as `check_names`.
    """
    return [name for name, file in zip(names, _metric_files(names, root), strict=True) if not file.needs_expected]


def identity(names: Sequence[str], root: Path, json_schema: str | None = None) -> dict[str, str]:
    """What scores depend on besides texts and recipe, by name: hashes of metric files and of the JSON Schema.

    Raises:
        RecipeError: as `check_names`.
    """
    contents = {file.name: file.source for file in _metric_files(names, root)}
    if json_schema is not None:
        read_schema(json_schema, root)
        contents[json_schema] = (root / json_schema).read_text(encoding="utf-8")
    return {name: content_hash(text) for name, text in contents.items()}


def _metric_files(names: Sequence[str], root: Path) -> list[MetricFile]:
    files = [read_metric(name, root) for name in names]
    columns = [file.name for file in files]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise RecipeError(f"the metric {twice[0]} is named twice; two files need two file names")
    return files


def _scores(
    file: MetricFile,
    answers: Sequence[str],
    expected: Sequence[str],
    options: MetricOptions,
    modules_cache: Path | None,
) -> list[float]:
    module = _loaded(file, modules_cache)
    try:
        scores: list[float] = module.compute(predictions=answers, references=expected, options=options)["scores"]
    except TuneloopError:
        raise
    except Exception as error:  # noqa: BLE001 - someone else's code may raise anything, and repeat a row's text in it
        where = f"{type(error).__name__}{_line(error, file)}"
        raise RecipeError(f"the metric {file.shown} failed on {len(answers)} rows: {where}") from None
    if len(scores) != len(answers):
        raise RecipeError(f"the metric {file.shown} gave {len(scores)} scores for {len(answers)} rows")
    broken = sum(not math.isfinite(value) for value in scores)
    if broken:
        raise RecipeError(f"the metric {file.shown} gave no finite number for {broken} of {len(answers)} rows")
    return scores


def _loaded(file: MetricFile, modules_cache: Path | None) -> Any:
    try:
        return _module(file, modules_cache)
    except Exception as error:  # someone else's code; no row has been seen yet, so its message may be shown
        raise RecipeError(f"the metric {file.shown} cannot be loaded: {error}") from error


def _line(error: BaseException, file: MetricFile) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).stem == file.path.stem
    ]
    return f" in line {lines[-1]}" if lines else ""


def _writable(text: str) -> str:
    """Half a surrogate pair, which JSON may hold, cannot be written as UTF-8, and `evaluate` writes texts to Arrow."""
    return text.encode("utf-8", "replace").decode("utf-8")


@cache
def _module(file: MetricFile, modules_cache: Path | None) -> Any:
    # Read by `evaluate` when it is imported: without them it asks the hub about every module.
    os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    if modules_cache is not None and "HF_HOME" not in os.environ:
        os.environ.setdefault("HF_MODULES_CACHE", str(modules_cache))
    import evaluate

    # In memory: by default every answer would be written to a cache in the user's home.
    cache_dir = None if modules_cache is None else str(modules_cache)
    if file.built_in:
        module = import_module(f"tuneloop.evaluation.{FOLDER.name}.{file.path.stem}")
        return getattr(module, file.built_in)(keep_in_memory=True, cache_dir=cache_dir)
    return evaluate.load(str(file.path), keep_in_memory=True, cache_dir=cache_dir)
