"""Rounds as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tuneloop.registry.summary import step_costs
from tuneloop.reports.evaluation.tables import cautions, show
from tuneloop.results import Cost, EvaluationReport, Round


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
