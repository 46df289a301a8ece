"""Tables of the `tuneloop models` commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.registry.audit_trail import Entry


def version_line(row: Mapping[str, Any]) -> dict[str, str]:
    """A row of `tuneloop.registry.model_versions.version_rows`."""
    plain = {name: str(row[name] or "-") for name in ("version", "round", "data_version", "decision", "verdict")}
    plain["verdict"] = "\n".join([plain["verdict"], *row["files"]])
    scores = {f"{name}": _score(metric) for name, metric in row["metrics"].items()}
    head = {"version": plain["version"], "aliases": ", ".join(row["aliases"])}
    day = row["created_at"][:16].replace("T", " ")
    return head | plain | {"date": day, "scores": "\n".join(f"{name} {score}" for name, score in scores.items())}


def comparison_line(row: Mapping[str, Any], first: str, second: str) -> dict[str, str]:
    """A row of `tuneloop.cli.models_comparison.compare`."""
    if row["change"] is None:
        change, meaning = "-", "rows not at hand"
    else:
        change = f"{row['change']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
        meaning = _meaning(row)
    scores = {first: _score(row[first]), second: _score(row[second])}
    return {"metric": row["metric"], **scores, "change": change, "rows": str(row["rows"] or "-"), "": meaning}


def _meaning(row: Mapping[str, Any]) -> str:
    if row["low"] <= 0 <= row["high"]:
        return "no clear difference"
    return "worse" if (row["change"] < 0) != row["lower_is_better"] else "better"


def _score(metric: Mapping[str, float] | None) -> str:
    return f"{metric['value']:.2f} [{metric['low']:.2f}, {metric['high']:.2f}]" if metric else "-"


def entry_line(entry: Entry) -> dict[str, str]:
    """A line of the audit trail."""
    change = f"{entry.from_version or '-'} to {entry.to_version or '-'}"
    when = entry.at[:19].replace("T", " ")
    return {
        "line": str(entry.number), "when": when, "who": entry.who, "what": f"{entry.action}, {entry.step}",
        "versions": change, "because": entry.because, "verdict": (entry.verdict_sha256 or "-")[:12],
    }  # fmt: skip


def print_table(title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """The keys of the first row are the columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in rows[0] if rows else ():
        table.add_column(name)
    for row in rows:
        table.add_row(*(_plain(text) for text in row.values()))
    _console().print(table, highlight=False)


def _plain(text: str) -> Any:
    from rich.text import Text

    return Text(text)  # a reason may hold square brackets, which are rich's markup


def _console() -> Console:
    from rich.console import Console

    # Into a file or a pipe, rich would fold the tables at 80 columns.
    return Console(width=None if sys.stdout.isatty() else 140)
