"""The report of a recipe: one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuneloop.registry.rounds import rounds_folder
from tuneloop.registry.summary import step_costs
from tuneloop.reports.evaluation.page import page_file
from tuneloop.reports.evaluation.plots import draw_forest
from tuneloop.reports.evaluation.tables import lower_metrics
from tuneloop.reports.evaluation.verdict import sentence
from tuneloop.reports.html import render, write_page_file
from tuneloop.reports.rounds_plots import data_uri, loss_curves, metrics_by_round
from tuneloop.reports.rounds_terminal import columns, score_rows
from tuneloop.results import Round


def write_page(workspace: Path, rounds: Sequence[Round]) -> Path:
    """Draw the report of all rounds of one recipe; replaces the last one. Links to the rounds' own pages that exist."""
    recipe = rounds[-1].recipe
    files = {r.number: page_file(workspace, recipe, r.number) for r in rounds}
    pages = {number: file.name for number, file in files.items() if file.is_file()}
    return write_page_file(rounds_folder(workspace, recipe) / "report.html", render_page(rounds, pages))


def render_page(rounds: Sequence[Round], pages: Mapping[int, str] | None = None) -> str:
    """The page as text. `pages`: number of a round -> address of its evaluation's page."""
    forest = draw_forest(rounds[-1].verdict, lower_metrics(rounds[-1].candidate))
    return render(
        "report.html.j2",
        recipe=rounds[-1].recipe,
        rounds=rounds,
        verdict=sentence(rounds[-1].verdict),
        pages=pages or {},
        headings=[name for name, _ in columns(rounds)],
        scores=score_rows(rounds),
        costs={r.number: step_costs(r) for r in rounds},
        forest=data_uri(forest) if forest else "",
        loss_picture=data_uri(loss_curves(rounds)),
        metric_picture=data_uri(metrics_by_round(rounds)),
    )
