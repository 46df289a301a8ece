"""The gate's verdict in words and as rows of a table."""

from __future__ import annotations

import math
from typing import Any, Literal

from tuneloop.results import Reason, Verdict

State = Literal["holds", "fails", "open", "need not hold", "did not apply"]
SIGNS: dict[State, str] = {
    "holds": "✓",
    "fails": "✗",
    "open": "?",
    "need not hold": "·",
    "did not apply": "·",
}
DECISIONS = {"promote": "Promoted", "reject": "Refused", "needs_review": "A person has to decide"}


def sentence(verdict: Verdict) -> str:
    """The verdict in one plain sentence."""
    states = [(state_of(reason), rule_of(reason)) for reason in verdict.reasons]
    counted = [state for state, _ in states if state in {"holds", "fails", "open"}]
    against = {"fails"} if verdict.decision == "reject" else {"fails", "open"}
    broken = [rule for state, rule in states if state in against]
    start = DECISIONS[verdict.decision]
    if not broken:
        return f"{start}: {_all_hold(len(counted))}."
    one, many = ("does not hold", "do not hold") if verdict.decision == "reject" else ("is open", "are open")
    what = one if len(broken) == 1 else many
    return f"{start}: {len(broken)} of {_counted(len(counted))} {what}: {'; '.join(broken)}."


def rule_of(reason: Reason) -> str:
    """A rule in one phrase, with the slice it was applied to."""
    return f"{reason.rule} ({reason.slice})" if reason.slice and reason.slice not in reason.rule else reason.rule


def state_of(reason: Reason) -> State:
    """What came of a rule or check. A rule on a metric that passed without being measured did not apply."""
    if reason.passed:
        return "did not apply" if reason.metric and not _has_numbers(reason) else "holds"
    if not reason.decisive:
        return "need not hold"
    return "open" if reason.is_open else "fails"


def is_own_score(reason: Reason) -> bool:
    """Whether the rule is about the candidate alone; `change` is then its score."""
    return reason.kind == "absolute" or not is_number(reason.change)


def reason_rows(verdict: Verdict) -> list[dict[str, Any]]:
    """One row per rule or check: what came of it, in words and numbers."""
    return [_reason_row(reason) for reason in verdict.reasons]


def is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _has_numbers(reason: Reason) -> bool:
    return is_number(reason.candidate) or is_number(reason.change)


def _counted(count: int) -> str:
    return f"{count} rules and checks"


def _all_hold(count: int) -> str:
    if not count:
        return "no rule could be checked"
    return "the only rule holds" if count == 1 else f"all {_counted(count)} hold"


def _reason_row(reason: Reason) -> dict[str, Any]:
    state, own = state_of(reason), is_own_score(reason)
    form = "{:.3f}" if own else "{:+.3f}"
    bounds = [reason.low, reason.high] if is_number(reason.low) and is_number(reason.high) else []
    interval = f"[{', '.join(form.format(bound) for bound in bounds)}]" if bounds else ""
    return {
        "rule": rule_of(reason),
        "result": f"{SIGNS[state]} {state}",
        "candidate": _three(reason.candidate),
        "reference": _three(reason.reference),
        "change": interval if own else f"{reason.change:+.3f} {interval}".strip(),
        "needed": form.format(reason.threshold) if is_number(reason.threshold) else "",
        "p": _three(reason.p_value),
        "rows": reason.rows,
        "in words": reason.text,
    }


def _three(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and math.isfinite(value) else ""
