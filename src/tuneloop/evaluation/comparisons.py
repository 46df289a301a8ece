"""A rule of the gate measured: the scores of two models on the same rows, row by row, as a whole or slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.evaluation.intervals import Estimate, chance_of_gain, difference, estimate
from tuneloop.evaluation.score_files import read_scores
from tuneloop.evaluation.summaries import rows_with, values_of
from tuneloop.recipes import Rule
from tuneloop.results import EvaluationReport, Opinion

if TYPE_CHECKING:
    import pandas as pd

OPINIONS = frozenset({"judge_preference", "human_preference", "human_rating"})
"""Metrics that come from a judge or from people, not from scores of the test rows or a suite."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rule measured on all rows or, where `part` names it, on one slice.

    `estimate` and `threshold` are turned so that more is better. `p_value` is the risk of being wrong in saying that
    the rule holds; for `no_harm` in saying that it does not.
    """

    rule: Rule
    part: str | None
    lower_is_better: bool
    estimate: Estimate
    threshold: float
    candidate: float
    reference: float | None
    p_value: float


def compare(
    rule: Rule,
    candidate: EvaluationReport,
    reference: EvaluationReport | None,
    *,
    opinions: Sequence[Opinion],
    min_slice_rows: int,
    seed: int,
) -> list[Comparison]:
    """The rule measured, once or once per slice; empty if nothing was measured row by row for both models."""
    rows = _rows(rule, candidate, reference, opinions)
    if rows is None or rows.empty:
        return []
    lower = is_lower_better(rule.metric, candidate)
    if rule.slice is None:
        return [_comparison(rule, None, rows, lower_is_better=lower, seed=seed)]
    return [
        _comparison(rule, part, found, lower_is_better=lower, seed=seed)
        for part, found in _parts(rows, rule.slice).items()
        if len(found) >= min_slice_rows
    ]


def is_lower_better(metric: str, report: EvaluationReport) -> bool:
    found = report.everything.get(metric)
    return found is not None and found.lower_is_better


def opinion_on(metric: str, opinions: Sequence[Opinion], against: str) -> Opinion | None:
    """The opinion that a rule on one of `OPINIONS` asks for; a rating of the candidate alone serves any reference."""
    same = [o for o in opinions if o.metric == metric]
    return next((o for o in same if o.against == against), same[0] if same and metric == "human_rating" else None)


def _rows(
    rule: Rule, candidate: EvaluationReport, reference: EvaluationReport | None, opinions: Sequence[Opinion]
) -> pd.DataFrame | None:
    """Columns cluster, score, score_reference (unless the rule is absolute) and the slice's; one row per id."""
    if rule.metric in OPINIONS:
        return _opinion_rows(rule, opinions)
    columns = [rule.slice.partition("=")[0]] if rule.slice else []
    ours = read_scores(candidate, rule.metric, *columns)
    if ours is None or rule.kind == "absolute":
        return None if ours is None else ours.dropna(subset="score")
    theirs = read_scores(reference, rule.metric) if reference else None
    if theirs is None:
        return None
    joined = ours.join(theirs[["score"]], rsuffix="_reference", how="inner").sort_index()
    # A row without a score of either model is no evidence, and dropping rows would let a model choose its test.
    return None if joined[["score", "score_reference"]].isna().any(axis=None) else joined


def _opinion_rows(rule: Rule, opinions: Sequence[Opinion]) -> pd.DataFrame | None:
    import pandas as pd

    opinion = opinion_on(rule.metric, opinions, rule.against)
    if opinion is None or not Path(opinion.file).is_file():
        return None
    table = pd.read_parquet(opinion.file).set_index("id").sort_index()
    if rule.kind == "absolute":
        return table.dropna(subset="score")
    return table.dropna(subset=["score", "score_reference"]) if "score_reference" in table else None


def _parts(rows: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    """`label:category=delivery` -> rows, for every value or for the one that `by` names."""
    column, _, only = by.partition("=")
    return {
        f"{column}={value}": rows_with(rows, column, value)
        for value in values_of(rows, column)
        if not only or value == only
    }


def _comparison(rule: Rule, part: str | None, rows: pd.DataFrame, *, lower_is_better: bool, seed: int) -> Comparison:
    sign = -1.0 if lower_is_better else 1.0
    clusters = rows["cluster"].tolist()
    ours = rows["score"].to_numpy(dtype=float)
    if rule.kind == "absolute":
        own, least = estimate(sign * ours, clusters, seed=seed), sign * (rule.minimum or 0.0)
        return Comparison(rule, part, lower_is_better, own, least, float(ours.mean()), None, own.p_value_above(least))
    theirs = rows["score_reference"].to_numpy(dtype=float)
    compared = difference(sign * ours, sign * theirs, clusters, seed=seed)
    threshold = 0.0 if rule.kind == "improve" else -rule.margin
    is_harm = rule.kind == "no_harm"
    risk = compared.p_value_below(threshold) if is_harm else compared.p_value_above(threshold)
    if rule.kind == "improve":
        risk = max(risk, chance_of_gain(sign * ours, sign * theirs, clusters, seed=seed))
    means = float(ours.mean()), float(theirs.mean())
    return Comparison(rule, part, lower_is_better, compared, threshold, *means, risk)
