"""Scores of answers against the expected ones: metric modules of the `evaluate` library, loaded from modules/."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import RecipeError
from tuneloop.recipes import AnswerFormat

if TYPE_CHECKING:
    import pandas as pd

MODULES = Path(__file__).parent / "modules"
METRICS = {name: MODULES / name for name in ("rouge_l", "exact_match", "valid_json", "field_accuracy")}
"""What a recipe may name under `metrics`; 0 is worst and 1 is best in each."""
READS_FORM = frozenset({"valid_json", "field_accuracy"})


def score(
    names: Sequence[str],
    answers: Sequence[str],
    expected: Sequence[str],
    answer_format: AnswerFormat,
    *,
    modules_cache: Path | None = None,
) -> pd.DataFrame:
    """One column per metric, one row per answer, each between 0 and 1.

    `modules_cache` is where `evaluate` copies modules before it imports them; HF_HOME or HF_MODULES_CACHE win over it.

    Raises:
        RecipeError: a name that is not in `METRICS`.
    """
    import pandas as pd

    check_names(names)
    if not answers:
        return pd.DataFrame(columns=list(names), dtype=float)
    form = {"required_keys": answer_format.required_keys, "labels": dict(answer_format.labels)}
    columns = {}
    for name in names:
        options = form if name in READS_FORM else {}
        found = _module(name, modules_cache).compute(predictions=list(answers), references=list(expected), **options)
        columns[name] = found["scores"]
    return pd.DataFrame(columns)


def check_names(names: Sequence[str]) -> None:
    """Raise RecipeError for a metric we do not have, before a model spends minutes on answers."""
    unknown = sorted(set(names) - set(METRICS))
    if unknown:
        raise RecipeError(f"there is no metric {unknown[0]!r}; take some of {', '.join(METRICS)}")


@cache
def _module(name: str, modules_cache: Path | None) -> Any:
    # Read by `evaluate` when it is imported: without them it asks the hub about every module.
    os.environ.setdefault("HF_EVALUATE_OFFLINE", "1")
    os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")
    if modules_cache is not None and "HF_HOME" not in os.environ:
        os.environ.setdefault("HF_MODULES_CACHE", str(modules_cache))
    import evaluate

    # In memory: by default every answer would be written to a cache in the user's home.
    return evaluate.load(str(METRICS[name]), keep_in_memory=True)
