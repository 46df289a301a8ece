"""What the gate found, as a team lead reads it: one sentence per rule, with the numbers beside it."""

from __future__ import annotations

import math

from tuneloop.evaluation.comparisons import Comparison, is_lower_better
from tuneloop.recipes import Rule
from tuneloop.results import EvaluationReport, Opinion, Reason

POWER_AND_RISK = 2.8
"""Standard errors that a gain must measure to be shown four times out of five: normal quantiles .975 and .8, added."""


def rule_name(rule: Rule, *, lower_is_better: bool = False, part: str | None = None) -> str:
    """A rule in one phrase."""
    where = f" ({part or rule.slice})" if part or rule.slice else ""
    if rule.kind == "absolute":
        return f"{rule.metric}{where} {'at most' if lower_is_better else 'at least'} {rule.minimum}"
    wanted = {
        "improve": "better than",
        "non_inferior": f"not worse (margin {rule.margin:g}) than",
        "no_harm": f"not shown to be worse (margin {rule.margin:g}) than",
    }[rule.kind]
    return f"{rule.metric}{where} {wanted} {rule.against}"


def told(found: Comparison, *, held: bool, risk: float, decisive: bool = True) -> Reason:
    """A measured rule. `risk` is the one at which it was tested."""
    name = rule_name(found.rule, lower_is_better=found.lower_is_better, part=found.part)
    sign = -1.0 if found.lower_is_better else 1.0
    low, high = sorted(sign * end for end in found.estimate.interval(1 - 2 * risk))
    return Reason(
        rule=name,
        passed=held,
        text=f"{name}: {_seen(found)}; {_limit(found, risk)} ({_rows(found, held=held)})",
        decisive=decisive,
        metric=found.rule.metric,
        kind=found.rule.kind,
        against=None if found.rule.kind == "absolute" else found.rule.against,
        slice=found.part,
        candidate=found.candidate,
        reference=found.reference,
        change=sign * found.estimate.value,
        low=low,
        high=high,
        threshold=sign * found.threshold + 0.0,
        p_value=found.p_value,
        rows=found.estimate.rows,
        clusters=found.estimate.clusters,
    )


def skipped(rule: Rule) -> Reason:
    name = rule_name(rule)
    text = f"{name}: skipped, there is no champion yet"
    return Reason(rule=name, passed=True, text=text, metric=rule.metric, kind=rule.kind)


def unmeasured(rule: Rule, candidate: EvaluationReport, min_slice_rows: int) -> Reason:
    """A rule that nothing was measured for fails: what is not known is no reason to promote. For slices that look for
    harm only, there is nothing to say where every slice is too small."""
    name = rule_name(rule, lower_is_better=is_lower_better(rule.metric, candidate))
    if rule.slice and rule.metric in candidate.everything:
        text = f"{name}: no slice that both models were scored on has {min_slice_rows} rows"
        return Reason(rule=name, passed=rule.kind == "no_harm", text=text, metric=rule.metric, kind=rule.kind)
    text = f"{name}: {rule.metric} was not measured row by row for both models on the same rows; see `metrics`"
    return Reason(rule=name, passed=False, text=text)


def waiting(rule: Rule, opinion: Opinion | None) -> Reason:
    """A rule that waits for people: nobody has reviewed, or the judge has not been shown to agree with them."""
    name = rule_name(rule)
    if opinion is None:
        why = "waits for people to review" if rule.metric.startswith("human") else "no judge was asked"
    else:
        why = f"does not count, so a person decides: {opinion.text}"
    return Reason(rule=name, passed=False, is_open=True, text=f"{name}: {why}")


def any_gain(against: str, gains: list[Reason]) -> Reason:
    """Whether one of several `improve` rules holds, where any of them is enough."""
    shown = [reason.rule for reason in gains if reason.passed]
    name = f"any gain over {against}"
    text = f"{name}: {', '.join(shown)}" if shown else f"{name}: none of {len(gains)} rules shows one"
    return Reason(rule=name, passed=bool(shown), text=text, against=against, kind="improve")


def nothing_asked(champion: EvaluationReport | None) -> Reason:
    """No rule asks for what a promotion needs, so a person decides."""
    if champion is None:
        text = "no rule could be checked, so a person has to decide: add rules to the recipe's evaluation section"
    else:
        text = (
            "no rule asks whether the candidate is better than the champion, so a person has to decide: add "
            "`{metric: ..., kind: improve, against: champion}`"
        )
    return Reason(rule="rules", passed=False, is_open=True, text=text)


def _seen(found: Comparison) -> str:
    if found.reference is None:
        return f"{found.candidate:.3f}"
    change = found.candidate - found.reference
    return f"{found.candidate:.3f} against {found.reference:.3f}, a change of {change:+.3f}"


def _limit(found: Comparison, risk: float) -> str:
    sign = -1.0 if found.lower_is_better else 1.0
    if found.rule.kind == "no_harm":
        worst = f"{sign * found.threshold + 0.0:+.3f}"
        return f"a change beyond {worst} would come by chance in {found.p_value:.1%} of cases"
    bound = found.estimate.lower_bound(risk)
    if bound == -math.inf:
        return f"too few rows to be {1 - risk:.1%} sure of anything"
    side, wanted = ("at most", "below") if sign < 0 else ("at least", "above")
    form = ".3f" if found.rule.kind == "absolute" else "+.3f"
    text = f"{side} {sign * bound:{form}} with {1 - risk:.1%} confidence, needed {wanted} "
    text += f"{sign * found.threshold + 0.0:{form}}"
    if found.rule.kind != "improve":
        return text
    return f"{text}; between models that are alike so large a gain comes by chance in {found.p_value:.1%} of cases"


def _rows(found: Comparison, *, held: bool) -> str:
    rows = f"{found.estimate.rows} rows"
    if found.estimate.clusters != found.estimate.rows:
        rows += f" in {found.estimate.clusters} clusters"
    if held or found.rule.kind != "improve":
        return rows
    shows = POWER_AND_RISK * found.estimate.standard_error
    return f"{rows}, which show a change of {shows:.3f} four times out of five"
