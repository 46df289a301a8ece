"""The review of a recipe on a terminal. Counts and pseudonyms; nothing that anybody wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuneloop.reports import review_tables as tables
from tuneloop.reports.data.tables import cell
from tuneloop.reports.data.terminal import say, visible
from tuneloop.results import ReviewSummary


def print_review(summary: ReviewSummary, console: Console) -> None:
    """Who is waited for first, then sets, agreement, people and what became of it."""
    say(console, f"{summary.recipe}: {tables.headline(summary)}", style="bold")
    say(console, f"as of {summary.made_at[:16].replace('T', ' ')} UTC", style="dim")
    for line in summary.waits:
        say(console, f"  {line}")
    _print(console, "Review sets", tables.set_rows(summary))
    _print(console, "Agreement (Krippendorff's alpha)", tables.agreement_rows(summary))
    _print(console, "Mean rating of records drawn at random", tables.quality_rows(summary))
    _print(console, "Conflicts that wait for a decision", tables.conflict_rows(summary))
    _print(console, "Reviewers", tables.reviewer_rows(summary))
    _print(console, "What people's words became", [row for row in tables.output_rows(summary) if row["rows"]])
    _print(console, "Records of which nothing is learned", tables.unusable_rows(summary))
    say(console, tables.set_aside_sentence(summary))
    _print(console, "People's rows that the data checks set aside", tables.set_aside_rows(summary))
    if summary.judge:
        say(console, f"Judge {summary.judge.judge}: {summary.judge.text}")


def _print(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in rows[0]:
        is_count = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if is_count else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell(value))) for value in row.values()))
    console.print(table)
