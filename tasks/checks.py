"""What the expectations say of feedback and traffic, as artifacts; counts only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks import wiring
from tuneloop.data.rejection_reasons import meaning
from tuneloop.drift.traffic import TrafficRow
from tuneloop.ports import Finding, ReviewAnswer, Suite
from tuneloop.recipes import Recipe
from tuneloop.review.review_sets import AskedLedger


def show_feedback_checks(recipe: Recipe, answers: Sequence[ReviewAnswer]) -> None:
    """Look at reviewers' answers. Their corrections pass the data step as well before anything is trained on them."""
    # Great Expectations takes seconds to load, and mostly there is nothing new to look at.
    from expectations.validating import SuiteValidator
    from tuneloop.workflows.event_columns import feedback_columns

    asked = AskedLedger(wiring.feedback_folder(recipe.name) / "asked.jsonl").asked()
    checks = recipe.data.checks
    frame = feedback_columns(
        answers,
        as_of=datetime.now(UTC),
        issue_tags=recipe.review.issue_tags,
        asked=asked or None,
        names=checks.person_names,
    )
    findings = SuiteValidator().validate(frame, Suite("feedback", checks))
    _show(f"feedback-checks-{recipe.name}", f"{len(answers)} answers", findings)


def show_traffic_checks(recipe: Recipe, rows: Sequence[TrafficRow]) -> None:
    """Look at production traffic; what is found stays where it is, people decide what it means."""
    from expectations.validating import SuiteValidator
    from tuneloop.workflows.event_columns import traffic_columns

    frame = traffic_columns(rows, as_of=datetime.now(UTC))
    findings = SuiteValidator().validate(frame, Suite("traffic", recipe.data.checks))
    _show(f"traffic-checks-{recipe.name}", f"the newest {len(rows)} requests", findings)


def _show(key: str, what: str, findings: Sequence[Finding]) -> None:
    found = [f for f in findings if not f.success]
    for finding in found:
        get_run_logger().warning("%s: %d of %s (%s)", finding.reason, finding.count, what, finding.severity)
    create_table_artifact(
        key=key,
        table=[
            {"reason": f.reason, "in words": meaning(f.reason), "severity": f.severity, "rows": f.count}
            for f in sorted(findings, key=lambda f: -f.count)
        ],
        description=f"{what}; {len(findings) - len(found)} of {len(findings)} expectations are met",
    )
