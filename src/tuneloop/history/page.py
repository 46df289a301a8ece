"""The report of a recipe: one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuneloop.history.plots import data_uri, loss_curves, metrics_by_round
from tuneloop.history.rounds import rounds_folder
from tuneloop.history.summary import step_costs
from tuneloop.history.tables import columns, show
from tuneloop.results import Round


def write_page(workspace: Path, rounds: Sequence[Round]) -> Path:
    """Draw the report of all rounds of one recipe; replaces the last one."""
    file = rounds_folder(workspace, rounds[-1].recipe) / "report.html"
    draft = file.with_suffix(".tmp")
    draft.write_text(render_page(rounds), encoding="utf-8")
    draft.replace(file)
    return file


def render_page(rounds: Sequence[Round]) -> str:
    from jinja2 import Environment, PackageLoader

    environment = Environment(loader=PackageLoader("tuneloop.history", "templates"), autoescape=True)
    reports = columns(rounds)
    measured = [{**report.metrics, **report.probes} for _, report in reports]
    names = dict.fromkeys(name for scores in measured for name in scores)
    return environment.get_template("report.html.j2").render(
        recipe=rounds[-1].recipe,
        rounds=rounds,
        headings=[name for name, _ in reports],
        scores=[(name, [show(scores.get(name)) for scores in measured]) for name in names],
        costs={r.number: step_costs(r) for r in rounds},
        loss_picture=data_uri(loss_curves(rounds)),
        metric_picture=data_uri(metrics_by_round(rounds)),
    )
