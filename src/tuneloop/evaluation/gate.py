"""May the candidate take over? Every rule of the recipe must hold with confidence, not by luck of the draw.

Scores are compared row by row on the same rows, resampled by cluster. Every rule is tested one-sided at half of what
the confidence leaves (2.5 % for 95 %: the lower end of the interval that reports show). As *all* rules must hold, a
model that breaks any of them is promoted no more often than that, however many rules there are: an intersection-union
test needs no further correction (R. L. Berger, "Multiparameter Hypothesis Testing and Acceptance Sampling", 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.evaluation.intervals import Estimate, difference, estimate
from tuneloop.recipes import Rule
from tuneloop.results import EvaluationReport, Reason, Verdict

if TYPE_CHECKING:
    import pandas as pd

LOWER_IS_BETTER = frozenset({"loss", "probe_loss"})
PROBE_SCORES = "probes.parquet"
"""Per-probe scores lie beside the scores of the test rows under this name."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule measured: `estimate` is turned so that more is better, and must lie above `threshold`."""

    rule: Rule
    estimate: Estimate
    threshold: float
    candidate: float
    reference: float | None


def decide(
    *,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    rules: Sequence[Rule],
    confidence: float,
    seed: int = 17,
) -> Verdict:
    """Promote only if every rule holds; rules against a champion are skipped while there is none.

    A recipe whose rules leave nothing to check ends in `needs_review`: a person decides.
    """
    if champion is not None and champion.model_hash == candidate.model_hash:
        same = Reason(rule="identical", passed=False, text="identical to the champion: there is nothing to promote")
        return _verdict("reject", [same], candidate, champion)
    measured: dict[int, Finding] = {}
    reasons: dict[int, Reason] = {}
    for place, rule in enumerate(rules):
        found = _measure(rule, candidate, base if rule.against == "base" else champion, seed)
        if isinstance(found, Finding):
            measured[place] = found
        else:
            reasons[place] = found
    reasons |= {place: _reason(found, (1 - confidence) / 2) for place, found in measured.items()}
    in_order = [reasons[place] for place in sorted(reasons)]
    if not all(reason.passed for reason in in_order):
        return _verdict("reject", in_order, candidate, champion)
    if not measured:
        text = "no rule could be checked, so a person has to decide: add rules to the recipe's evaluation section"
        return _verdict("needs_review", [*in_order, Reason(rule="rules", passed=False, text=text)], candidate, champion)
    return _verdict("promote", in_order, candidate, champion)


def rule_name(rule: Rule) -> str:
    """A rule in one phrase."""
    if rule.kind == "absolute":
        side = "at most" if rule.metric in LOWER_IS_BETTER else "at least"
        return f"{rule.metric} {side} {rule.minimum}"
    wanted = "better than" if rule.kind == "improve" else f"not worse (margin {rule.margin:g}) than"
    return f"{rule.metric} {wanted} {rule.against}"


def _measure(rule: Rule, candidate: EvaluationReport, other: EvaluationReport | None, seed: int) -> Finding | Reason:
    name = rule_name(rule)
    if rule.kind != "absolute" and other is None:
        return Reason(rule=name, passed=True, text=f"{name}: skipped, there is no champion yet")
    if rule.kind == "absolute" and rule.minimum is None:
        return Reason(rule=name, passed=False, text=f"{name}: the rule names no `minimum`; add it to the recipe")
    sign = -1.0 if rule.metric in LOWER_IS_BETTER else 1.0
    ours = _scores(candidate, rule.metric)
    theirs = _scores(other, rule.metric) if other is not None and rule.kind != "absolute" else ours
    if ours is None or theirs is None:
        return Reason(rule=name, passed=False, text=f"{name}: {rule.metric} was not measured row by row; see `metrics`")
    rows = ours.join(theirs[["score"]], rsuffix="_reference", how="inner").sort_index()
    if rows.empty or rows[["score", "score_reference"]].isna().any(axis=None):
        return Reason(rule=name, passed=False, text=f"{name}: no rows that both models have scores for")
    return _finding(rule, rows, sign, seed)


def _finding(rule: Rule, rows: pd.DataFrame, sign: float, seed: int) -> Finding:
    clusters = rows["cluster"].tolist()
    ours, theirs = rows["score"].to_numpy(), rows["score_reference"].to_numpy()
    if rule.minimum is not None and rule.kind == "absolute":
        own = estimate(sign * ours, clusters, seed=seed)
        return Finding(rule, own, sign * rule.minimum, float(ours.mean()), None)
    compared = difference(sign * ours, sign * theirs, clusters, seed=seed)
    threshold = -rule.margin if rule.kind == "non_inferior" else 0.0
    return Finding(rule, compared, threshold, float(ours.mean()), float(theirs.mean()))


def _reason(found: Finding, risk: float) -> Reason:
    name = rule_name(found.rule)
    bound = found.estimate.lower_bound(risk)
    rows = f"{found.estimate.rows} rows"
    if found.estimate.clusters != found.estimate.rows:
        rows += f" in {found.estimate.clusters} clusters"
    if bound == -float("inf"):
        text = f"{_seen(found)}; {rows} are too few to be {1 - risk:.1%} sure of anything"
        return Reason(rule=name, passed=False, text=f"{name}: {text}")
    sign = -1.0 if found.rule.metric in LOWER_IS_BETTER else 1.0
    side, wanted = ("at most", "below") if sign < 0 else ("at least", "above")
    absolute = found.rule.kind == "absolute"
    limit, needed = (f"{x:.3f}" if absolute else f"{x:+.3f}" for x in (sign * bound, sign * found.threshold + 0.0))
    text = f"{_seen(found)}; {side} {limit} with {1 - risk:.1%} confidence, needed {wanted} {needed} ({rows})"
    return Reason(rule=name, passed=bound > found.threshold, text=f"{name}: {text}")


def _seen(found: Finding) -> str:
    if found.reference is None:
        return f"{found.candidate:.3f}"
    change = found.candidate - found.reference
    return f"{found.candidate:.3f} against {found.reference:.3f}, a change of {change:+.3f}"


def _scores(report: EvaluationReport | None, metric: str) -> pd.DataFrame | None:
    """Columns `cluster` and `score` by row id, from the test rows or the probes; None if neither has the metric."""
    import pandas as pd
    from pyarrow import parquet

    if report is None:
        return None
    for file in (Path(report.scores), Path(report.scores).with_name(PROBE_SCORES)):
        if file.is_file() and metric in parquet.read_schema(file).names:
            table = pd.read_parquet(file, columns=["id", "cluster", metric])
            return table.set_index("id").rename(columns={metric: "score"})
    return None


def _verdict(
    decision: str, reasons: list[Reason], candidate: EvaluationReport, champion: EvaluationReport | None
) -> Verdict:
    return Verdict.model_validate(
        {
            "decision": decision,
            "reasons": reasons,
            "candidate_hash": candidate.model_hash,
            "champion_hash": champion.model_hash if champion else None,
        }
    )
