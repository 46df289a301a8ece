"""Rounds as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from tuneloop.history.summary import step_costs
from tuneloop.results import EvaluationReport, Metric, Round


def print_rounds(rounds: Sequence[Round], console: Console) -> None:
    """Scores of base and every round with intervals, then rows, then costs, then the verdicts."""
    console.print(_scores(rounds))
    console.print(_rows(rounds))
    console.print(_costs(rounds))
    for round_ in rounds:
        colour = {"promote": "green", "reject": "red"}.get(round_.verdict.decision, "yellow")
        console.print(f"\n[bold]Round {round_.number}: [{colour}]{round_.verdict.decision}[/][/]")
        for reason in round_.verdict.reasons:
            console.print(f"  {'[green]✓[/]' if reason.passed else '[red]✗[/]'} {reason.text}", highlight=False)


def columns(rounds: Sequence[Round]) -> list[tuple[str, EvaluationReport]]:
    """What is compared: the base as the latest round measured it, then each round's candidate."""
    return [("base", rounds[-1].base), *((f"round {r.number}", r.candidate) for r in rounds)]


def _scores(rounds: Sequence[Round]) -> Table:
    table = Table(title="Scores on the held-out rows (mean and interval)", box=box.SIMPLE)
    table.add_column("metric")
    for name, _ in columns(rounds):
        table.add_column(name, justify="right")
    measured = [{**report.metrics, **report.probes} for _, report in columns(rounds)]
    for metric in dict.fromkeys(name for scores in measured for name in scores):
        table.add_row(metric, *(show(scores.get(metric)) for scores in measured))
    return table


def show(metric: Metric | None) -> str:
    """Two decimals: with the few hundred rows of a test set, the third is noise."""
    return "-" if metric is None else f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def _rows(rounds: Sequence[Round]) -> Table:
    table = Table(title="Rows", box=box.SIMPLE)
    for name in ("round", "in", "quarantined", "unused", "train", "validation", "test", "corrections so far"):
        table.add_column(name, justify="right")
    for r in rounds:
        d = r.data
        counts = (d.rows_in, d.rows_quarantined, d.rows_unused, d.rows_train, d.rows_validation, d.rows_test)
        table.add_row(str(r.number), *map(str, counts), str(r.feedback.corrections if r.feedback else 0))
    return table


def _costs(rounds: Sequence[Round]) -> Table:
    table = Table(title="Seconds and peak memory (MiB) per step", box=box.SIMPLE)
    table.add_column("step")
    for r in rounds:
        table.add_column(f"round {r.number}", justify="right")
    for step in step_costs(rounds[0]):
        costs = [step_costs(r)[step] for r in rounds]
        table.add_row(step, *(f"{c.seconds:,.0f} s  {c.peak_rss_mib:,.0f}" for c in costs))
    return table
