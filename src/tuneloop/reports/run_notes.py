"""Short notes on a flow run's page: Markdown and tables of what one step found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.reports import review
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.plots import draw_forest
from tuneloop.reports.evaluation.verdict import reason_rows, sentence
from tuneloop.reports.figures import data_uri
from tuneloop.reports.markdown import code, plain, table
from tuneloop.reports.rounds import metrics_by_round
from tuneloop.results import DriftReport, EvaluationReport, Opinion, ReviewReport, ReviewSummary, Round, Verdict
from tuneloop.results.private_test import PrivateReport

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


def model_table(report: EvaluationReport) -> list[dict[str, Any]]:
    """Return one row per metric of the task, of every suite, and of every slice and category."""
    parts = {tables.TASK: report.metrics} | report.suites | report.slices | report.categories
    return [
        {"part": part, "metric": name, "n": metric.n, "mean [interval]": tables.show(metric)}
        for part, metrics in parts.items()
        for name, metric in metrics.items()
    ]


def score_table(round_: Round) -> list[dict[str, Any]]:
    """Return one row per metric of the task and of every suite; all rows have the same columns."""
    return [{"part": part, **row} for part, rows in tables.metric_rows(round_).items() for row in rows]


def verdict_markdown(verdict: Verdict, lower: frozenset[str]) -> str:
    """Tell the verdict in a sentence, the forest plot, and every reason."""
    forest = draw_forest(verdict, lower)
    parts = [
        f"## {plain(sentence(verdict))}",
        f"![change by rule, with intervals and what was needed]({data_uri(forest)})" if forest else "",
        "\n".join(f"- {row['result']}: {plain(row['in words'])}" for row in reason_rows(verdict)),
    ]
    return "\n\n".join(filter(None, parts))


def judgments_markdown(judgments: Sequence[Opinion]) -> str:
    """Tell what reviewers and the judge found."""
    lines = "\n".join(f"- **{o.metric}** against the {o.against}: {o.text}" for o in judgments)
    return f"## Opinions\n\n{lines}"


def round_markdown(round_: Round, rounds: Sequence[Round], page: Path) -> str:
    """Tell the round's decision, with the scores of all rounds as a picture."""
    picture = data_uri(metrics_by_round(rounds))
    return (
        f"## Round {round_.number}: {round_.verdict.decision}\n\n![scores by round]({picture})\n\nFull report: `{page}`"
    )


def drift_markdown(report: DriftReport) -> str:
    """Tell whether traffic has drifted, and which words are new."""
    numbers = "" if report.p_value is None else f"p = {report.p_value:.4f}, squared MMD = {report.effect:.4f}"
    terms = ", ".join(report.nearest_terms) or "-"
    return (
        f"## {report.status.replace('_', ' ')}\n\n{report.window_rows} rows of traffic against "
        f"{report.reference_rows} training rows. {numbers}\n\nWords that are new: {terms}"
    )


def sample_rows(report: ReviewReport) -> list[dict[str, Any]]:
    """Return how many records of a review set each strategy chose, and why."""
    return [
        {"chosen by": name, "records": count, "because": WHY[name]} for name, count in sorted(report.counts.items())
    ]


def review_markdown(summary: ReviewSummary, page: Path) -> str:
    """Tell what matters of the review page: counts and pseudonyms, no texts."""
    waits = "\n".join(f"- {plain(line)}" for line in summary.waits) or "No reviewer is waited for."
    parts = [
        f"## {plain(review.headline(summary))}",
        waits,
        f"### What became of it\n\n{table(review.output_rows(summary))}",
        plain(review.set_aside_sentence(summary)),
        table(review.set_aside_rows(summary)),
        f"### Agreement\n\n{table(review.agreement_rows(summary))}" if summary.agreement else "",
        f"### Answers drawn at random\n\n{table(review.quality_rows(summary))}" if summary.quality else "",
        f"The whole report: {code(str(page))}",
    ]
    return "\n\n".join(filter(None, parts))


def private_markdown(report: PrivateReport) -> str:
    """Tell means with intervals, and what to think of them; nothing of any row."""
    rows = "".join(f"| {n} | {m.value:.3f} | {m.low:.3f} to {m.high:.3f} |\n" for n, m in report.metrics.items())
    warnings = "".join(f"\n- ⚠️ {warning}" for warning in report.warnings)
    seen = "model has" if report.models_scored == 1 else "models have"
    return (
        f"## Private test of {report.model}\n\n{report.rows} rows that no model is trained on or chosen by; "
        f"{report.models_scored} {seen} been scored on them.\n\n"
        f"| metric | mean | interval |\n|---|---:|---:|\n{rows}{warnings}"
    )
