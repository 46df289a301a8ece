"""Reports of a recipe's rounds: the terminal view and the page, one HTML file that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tuneloop.registry.rounds import rounds_folder
from tuneloop.registry.summary import step_costs
from tuneloop.reports.evaluation.page import page_file
from tuneloop.reports.evaluation.plots import draw_forest
from tuneloop.reports.evaluation.tables import cautions, is_lower_better, lower_metrics, show
from tuneloop.reports.evaluation.verdict import sentence
from tuneloop.reports.figures import data_uri, label_of, new_figure, png_of
from tuneloop.reports.html import render, write_page_file
from tuneloop.reports.training import loss_curves
from tuneloop.results import Cost, EvaluationReport, Metric, Round


def print_rounds(rounds: Sequence[Round], console: Console) -> None:
    """Scores of base and every round with intervals, then rows, then costs, then the verdicts and what weakens them."""
    console.print(_scores(rounds))
    console.print(_rows(rounds))
    console.print(_costs(rounds))
    for round_ in rounds:
        colour = {"promote": "green", "reject": "red"}.get(round_.verdict.decision, "yellow")
        console.print(f"\n[bold]Round {round_.number}: [{colour}]{round_.verdict.decision}[/][/]")
        for reason in round_.verdict.reasons:
            console.print(f"  {'[green]✓[/]' if reason.passed else '[red]✗[/]'} {escape(reason.text)}", highlight=False)
    for caution in cautions(rounds[-1]):
        console.print(f"  [dim]note: {escape(caution)}[/]", highlight=False)


def columns(rounds: Sequence[Round]) -> list[tuple[str, EvaluationReport]]:
    """What is compared: the base as the latest round measured it, then each round's candidate."""
    return [("base", rounds[-1].base), *((f"round {r.number}", r.candidate) for r in rounds)]


def _scores(rounds: Sequence[Round]) -> Table:
    table = Table(title="Scores on the held-out rows (mean and interval)", box=box.SIMPLE)
    table.add_column("metric")
    for name, _ in columns(rounds):
        table.add_column(name, justify="right")
    for part in _parts(rounds):
        for name, values in part:
            table.add_row(name, *values)
        table.add_section()
    return table


def score_rows(rounds: Sequence[Round]) -> list[tuple[str, list[str]]]:
    """One row per metric, those of the test rows first: its name, and what base and every round have."""
    return [row for part in _parts(rounds) for row in part]


def _parts(rounds: Sequence[Round]) -> list[list[tuple[str, list[str]]]]:
    reports = [report for _, report in columns(rounds)]
    suites = dict.fromkeys(suite for report in reports for suite in report.suites)
    parts = [[report.metrics for report in reports], *([r.suites.get(suite, {}) for r in reports] for suite in suites)]
    return [
        [(name, [show(scores.get(name)) for scores in part]) for name in dict.fromkeys(n for s in part for n in s)]
        for part in parts
    ]


def _rows(rounds: Sequence[Round]) -> Table:
    table = Table(title="Rows", box=box.SIMPLE)
    for name in (
        "round",
        "in",
        "quarantined",
        "unused",
        "train",
        "validation",
        "test",
        "private",
        "corrections so far",
    ):
        table.add_column(name, justify="right")
    for r in rounds:
        d = r.data
        splits = (d.rows_train, d.rows_validation, d.rows_test, d.rows_private)
        counts = (d.rows_in, d.rows_quarantined, d.rows_unused, *splits)
        table.add_row(str(r.number), *map(str, counts), str(r.feedback.corrections if r.feedback else 0))
    return table


def _costs(rounds: Sequence[Round]) -> Table:
    table = Table(title="Seconds and peak memory (MiB) per step", box=box.SIMPLE)
    table.add_column("step")
    for r in rounds:
        table.add_column(f"round {r.number}", justify="right")
    costs = [step_costs(r) for r in rounds]
    for step in dict.fromkeys(name for by_step in reversed(costs) for name in by_step):
        table.add_row(step, *(_cost(by_step.get(step)) for by_step in costs))
    return table


def _cost(cost: Cost | None) -> str:
    return "-" if cost is None else f"{cost.seconds:,.0f} s  {cost.peak_rss_mib:,.0f}"


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


def metrics_by_round(rounds: Sequence[Round]) -> bytes:
    """Scores between 0 and 1 of base and rounds with their intervals, of test rows and suites. Losses have their own
    picture, and what is no share has no place on this scale."""
    figure, axes = new_figure()
    reports = columns(rounds)
    names = [name for name, metric in reports[-1][1].everything.items() if _is_share(name, metric)]
    for offset, name in enumerate(names):
        found = [(i, r.everything.get(name)) for i, (_, r) in enumerate(reports)]
        points = [(i + 0.08 * (offset - len(names) / 2), m) for i, m in found if m is not None]
        errors = [[m.value - m.low for _, m in points], [m.high - m.value for _, m in points]]
        axes.errorbar(
            [x for x, _ in points], [m.value for _, m in points], yerr=errors, fmt="o-", capsize=3, label=label_of(name)
        )
    axes.set_xticks(range(len(reports)), [name for name, _ in reports])
    axes.set(ylim=(-0.02, 1.02), title="Scores by round, with intervals")
    if names:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return png_of(figure)


def _is_share(name: str, metric: Metric) -> bool:
    return not is_lower_better(name, metric) and 0.0 <= metric.low <= metric.high <= 1.0
