"""What was put before people and why, in the UI: counts, no texts."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact, create_table_artifact

from tuneloop.results import ReviewReport

WHY: Mapping[str, str] = {
    "uncertain": "the model is least sure of its answer",
    "disagreement": "candidate and champion answer most differently",
    "low_score": "the score that the recipe names is lowest",
    "drifted": "most like the traffic that drifted, and least like the training prompts",
    "diverse": "one of each group of prompts that lie far apart",
    "random": "drawn from all open prompts: their mean estimates the model's quality",
    "rest": "drawn to fill the budget; nothing is estimated from them",
    "stratified": "drawn at random within each slice or category",
    "gold": "the right rating is known; only the workspace knows which they are",
}


def show_set(recipe: str, report: ReviewReport) -> None:
    """A link to the set, and a table of what chose its records."""
    key = f"review-{recipe}" + ("" if report.kind == "answers" else f"-{report.kind.replace('_', '-')}")
    for note in report.notes:
        get_run_logger().warning("%s: %s", report.review_set, note)
    create_link_artifact(report.url, link_text=f"{report.review_set}: {report.records} records to review", key=key)
    create_table_artifact(
        key=f"{key}-sample",
        table=[
            {"chosen by": name, "records": count, "because": WHY[name]} for name, count in sorted(report.counts.items())
        ],
        description="\n\n".join([f"{report.review_set}: {report.records} records", *report.notes]),
    )
