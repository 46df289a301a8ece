"""May the candidate take over? Every demand must be met with confidence, not by luck of the draw.

Scores are compared row by row on the same rows, resampled by cluster, at half of what the confidence leaves (2.5 % for
95 %). Rules that prove something (`improve`, `non_inferior`, `absolute`) must all hold, so a model that breaks one is
promoted no more often than that, however many rules there are: an intersection-union test needs no further correction
(R. L. Berger, "Multiparameter Hypothesis Testing and Acceptance Sampling", 1982). Where any one gain of several is
enough, and where `no_harm` looks for harm in many slices, chances add up and Holm's correction is applied.

A model in production is replaced only by one that is shown to be better: with a champion and no `improve` rule against
it, a person decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuneloop.evaluation import explanations
from tuneloop.evaluation.comparisons import OPINIONS, Comparison, compare, opinion_on
from tuneloop.recipes import Rule
from tuneloop.results import EvaluationReport, Opinion, Reason, Verdict

Improvement = Literal["all", "any"]
LAST = 10**6
"""Where reasons about several rules stand among those about one."""


def decide(
    *,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    rules: Sequence[Rule],
    confidence: float,
    improvement: Improvement = "all",
    opinions: Sequence[Opinion] = (),
    soundness: Sequence[Reason] = (),
    min_slice_rows: int = 10,
    seed: int = 17,
) -> Verdict:
    """Promote, reject, or ask a person; rules against a champion are skipped while there is none.

    `soundness` is what was found of the evaluation itself (see tuneloop.evaluation.soundness): where it fails, no score
    counts. Where all that fails is open (waiting for people, a judge that has not been proved), a person decides.
    """
    hashes = candidate.model_hash, champion.model_hash if champion else None
    if champion is not None and champion.model_hash == candidate.model_hash:
        same = Reason(rule="identical", passed=False, text="identical to the champion: there is nothing to promote")
        return _verdict([same], *hashes)
    if any(not reason.passed for reason in soundness):
        return _verdict(list(soundness), *hashes)
    said: dict[int, Reason] = {}
    measured: list[tuple[int, Comparison]] = []
    for place, rule in enumerate(rules):
        reference = base if rule.against == "base" else champion
        if (missing := _cannot_be_asked(rule, reference, opinions)) is not None:
            said[place] = missing
            continue
        found = compare(rule, candidate, reference, opinions=opinions, min_slice_rows=min_slice_rows, seed=seed)
        measured += [(place, comparison) for comparison in found]
        said |= {} if found else {place: explanations.unmeasured(rule, candidate, min_slice_rows)}
    told = [*said.items(), *_weigh(measured, (1 - confidence) / 2, improvement)]
    in_order = [reason for _, reason in sorted(told, key=lambda item: item[0])]
    asked = any(_asks_for_gain(rule, champion) for rule in rules) if champion else bool(measured)
    return _verdict([*soundness, *in_order, *([] if asked else [explanations.nothing_asked(champion)])], *hashes)


def holm(p_values: Sequence[float], risk: float) -> NDArray[np.bool_]:
    """Which null hypotheses fall, so that any true one falls with a chance of `risk` at most (S. Holm, 1979)."""
    order = np.argsort(p_values)
    falls = np.asarray(p_values)[order] <= risk / np.arange(len(order), 0, -1)
    rejected = np.zeros(len(order), dtype=bool)
    rejected[order] = np.logical_and.accumulate(falls)
    return rejected


def _cannot_be_asked(rule: Rule, reference: EvaluationReport | None, opinions: Sequence[Opinion]) -> Reason | None:
    if reference is None and rule.kind != "absolute":
        return explanations.skipped(rule)
    if rule.metric not in OPINIONS:
        return None
    opinion = opinion_on(rule.metric, opinions, rule.against)
    return None if opinion is not None and opinion.may_count else explanations.waiting(rule, opinion)


def _weigh(
    measured: Sequence[tuple[int, Comparison]], risk: float, improvement: Improvement
) -> list[tuple[int, Reason]]:
    """Each comparison with what came of it, by the place of its rule; then, behind all rules, what came of families."""
    found = [comparison for _, comparison in measured]
    held = np.array([comparison.p_value <= risk for comparison in found], dtype=bool)
    harms = [i for i, comparison in enumerate(found) if comparison.rule.kind == "no_harm"]
    held[harms] = ~holm([found[i].p_value for i in harms], risk)
    families = _families(found) if improvement == "any" else {}
    for members in families.values():
        held[members] = holm([found[i].p_value for i in members], risk)
    optional = {i for members in families.values() for i in members}
    told = [
        explanations.told(comparison, held=bool(held[i]), risk=risk, decisive=i not in optional)
        for i, comparison in enumerate(found)
    ]
    ends = [(LAST, explanations.any_gain(name, [told[i] for i in members])) for name, members in families.items()]
    return [*((place, reason) for (place, _), reason in zip(measured, told, strict=True)), *ends]


def _families(found: Sequence[Comparison]) -> dict[str, list[int]]:
    """The gains over base, and those over the champion."""
    families: dict[str, list[int]] = {}
    for place, comparison in enumerate(found):
        if comparison.rule.kind == "improve":
            families.setdefault(comparison.rule.against, []).append(place)
    return families


def _asks_for_gain(rule: Rule, champion: EvaluationReport | None) -> bool:
    return champion is not None and rule.kind == "improve" and rule.against == "champion"


def _verdict(told: list[Reason], candidate_hash: str, champion_hash: str | None) -> Verdict:
    failed = [reason for reason in told if reason.decisive and not reason.passed]
    if any(not reason.is_open for reason in failed):
        return Verdict(decision="reject", reasons=told, candidate_hash=candidate_hash, champion_hash=champion_hash)
    decision: Literal["needs_review", "promote"] = "needs_review" if failed else "promote"
    return Verdict(decision=decision, reasons=told, candidate_hash=candidate_hash, champion_hash=champion_hash)
