"""What a check found, for a terminal or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tuneloop.data.rejection_reasons import meaning
from tuneloop.results import Check
from tuneloop.severities import RANK, Severity
from tuneloop.workflows.validate_file import Checked

PIPE_WIDTH = 140
COLOURS: Mapping[Severity, str] = {"block": "bold red", "quarantine": "yellow", "warn": "cyan"}


@contextmanager
def rows_read(console: Console) -> Iterator[Callable[[int], None]]:
    """Show a counter of rows while they are read; silent where no terminal is."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("rows checked", total=None)
        yield lambda rows: bar.advance(task, rows)


def print_checked(checked: Checked, console: Console, files: Sequence[str]) -> None:
    """Print one line in all, then a line per finding, gravest first, then what was not looked at."""
    manifest = checked.manifest
    console.print(Text(f"{', '.join(files)}:"))
    left = manifest.rows_in - manifest.rows_quarantined
    console.print(f"{manifest.rows_in:,} rows: {left:,} pass, {manifest.rows_quarantined:,} would be set aside.")
    if checked.worst is not None:
        console.print(_table(checked))
    met = sum(check.success for check in manifest.checks)
    console.print(f"{met} of {len(manifest.checks)} expectations are met by all rows.")
    for note in checked.notes:
        console.print(Text(f"Note: {note}.", style="dim"))


def summary_of(checked: Checked) -> dict[str, Any]:
    """Return the same as data; examples are masked."""
    manifest = checked.manifest
    return {
        "rows_in": manifest.rows_in,
        "rows_passed": manifest.rows_in - manifest.rows_quarantined,
        "rows_set_aside": manifest.rows_quarantined,
        "worst": checked.worst,
        "reasons": manifest.reasons,
        "unreadable": [{"reason": u.reason, "count": u.count, "places": list(u.places)} for u in checked.unreadable],
        "checks": [check.model_dump(mode="json") for check in manifest.checks],
        "sources": [origin.model_dump(mode="json") for origin in manifest.sources],
        "notes": list(checked.notes),
    }


def _table(checked: Checked) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    table.add_column("grade")
    table.add_column("rows", justify="right")
    for heading in ("reason", "column", "in words", "such as"):
        table.add_column(heading, overflow="fold")
    for unreadable in checked.unreadable:
        _add(table, "quarantine", unreadable.count, (unreadable.reason, ""), ", ".join(unreadable.places))
    failed = [check for check in checked.manifest.checks if not check.success]
    for check in sorted(failed, key=lambda c: -RANK.index(c.severity)):
        _add(table, check.severity, check.count, (check.reason, check.column or ""), _places(check))
    return table


def _add(table: Table, severity: Severity, count: int, found: tuple[str, str], places: str) -> None:
    """`found` is the reason and the column that shows it. All as Text: file names are no markup."""
    reason, column = found
    cells = (f"{count:,}", Text(reason), Text(column), Text(meaning(reason)), Text(places))
    table.add_row(Text(severity, style=COLOURS[severity]), *cells)


def _places(check: Check) -> str:
    return ", ".join(f"{example.source}:{example.line}" for example in check.examples)
