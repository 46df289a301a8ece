"""What people see of an evaluation in the Prefect UI: scores side by side, the verdict as a picture, a path."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks import wiring
from tuneloop.data.masking import shown
from tuneloop.data.snapshots import load_manifest
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.page import write_evaluation_page
from tuneloop.reports.evaluation.plots import draw_forest
from tuneloop.reports.evaluation.verdict import reason_rows, sentence
from tuneloop.reports.figures import data_uri
from tuneloop.reports.markdown import code, plain
from tuneloop.reports.model_card import write_model_card
from tuneloop.results import EvaluationReport, Round, Verdict
from tuneloop.review.collecting import RESPONSES
from tuneloop.review.rows import read_rows
from tuneloop.training.base_models import origin_of

SHOWN_CHARACTERS = 600
"""Of a prompt or an answer, masked; the data report shows less, but here answers are to be compared."""


def show_evaluation(recipe: str, report: EvaluationReport) -> None:
    """One model's scores as a table of this run."""
    create_table_artifact(
        key=f"evaluation-{recipe}-{report.model}",
        table=model_table(report),
        description=f"{report.model} {report.model_hash[:12]} on {report.data_version}: means with intervals",
    )


def show_verdict(recipe: str, verdict: Verdict, candidate: EvaluationReport | None = None) -> None:
    """The verdict as Markdown; `candidate` tells for which metrics lower is better."""
    lower = tables.lower_metrics(candidate) if candidate else tables.LOSSES
    create_markdown_artifact(key=f"gate-{recipe}", markdown=verdict_markdown(verdict, lower))


def show_round(round_: Round, rounds: Sequence[Round], *, notices: Sequence[str] = ()) -> Path:
    """Draw the round's page, with answers masked, and put its models side by side; returns the page's path.

    Args:
        round_: with its verdict.
        rounds: of the same recipe, oldest first.
        notices: sentences that a reader of the page must see first.
    """
    masked = partial(shown, characters=SHOWN_CHARACTERS)
    people = reviewers_of(Path(round_.feedback.folder)) if round_.feedback else None
    page = write_evaluation_page(wiring.workspace(), round_, rounds, masked, reviewers=people, notices=notices)
    create_table_artifact(
        key=f"models-{round_.recipe}",
        table=score_table(round_),
        description=f"Round {round_.number}. {plain(sentence(round_.verdict))} Full report: {code(str(page))}",
    )
    return page


def keep_model_card(round_: Round, base: Path) -> Path:
    """Write the round's model card, with what is known of the base and the data; returns its path.

    Args:
        round_: with its verdict.
        base: folder that `prepare_base` gave.
    """
    workspace = wiring.workspace()
    origin = origin_of(base, workspace / "models" / "base")
    known = {"licence": origin.licence, "base": origin.base, "base_revision": origin.revision} if origin else {}
    return write_model_card(workspace, round_, manifest=load_manifest(Path(round_.data.folder)), **known)


def reviewers_of(folder: Path) -> int:
    """How many people's responses the feedback holds."""
    submitted = (row for row in read_rows(folder / RESPONSES) if row.get("status", "submitted") == "submitted")
    return len({row["reviewer"] for row in submitted if row.get("reviewer")})


def model_table(report: EvaluationReport) -> list[dict[str, Any]]:
    """One row per metric of the task, of every suite, and of every slice and category."""
    parts = {tables.TASK: report.metrics} | report.suites | report.slices | report.categories
    return [
        {"part": part, "metric": name, "n": metric.n, "mean [interval]": tables.show(metric)}
        for part, metrics in parts.items()
        for name, metric in metrics.items()
    ]


def score_table(round_: Round) -> list[dict[str, Any]]:
    """One row per metric of the task and of every suite; all rows have the same columns."""
    return [{"part": part, **row} for part, rows in tables.metric_rows(round_).items() for row in rows]


def verdict_markdown(verdict: Verdict, lower: frozenset[str]) -> str:
    """The verdict in a sentence, the forest plot, and every reason."""
    forest = draw_forest(verdict, lower)
    parts = [
        f"## {plain(sentence(verdict))}",
        f"![change by rule, with intervals and what was needed]({data_uri(forest)})" if forest else "",
        "\n".join(f"- {row['result']}: {plain(row['in words'])}" for row in reason_rows(verdict)),
    ]
    return "\n\n".join(filter(None, parts))
