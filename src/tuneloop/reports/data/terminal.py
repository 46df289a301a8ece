"""Data versions as terminal tables. What comes from the data is shown as it is: never as markup, never as a control
sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuneloop.data.rejection_reasons import in_words
from tuneloop.lineage.data_diff import DataDiff, change_rows, split_changes
from tuneloop.reports.data import tables
from tuneloop.results import DataManifest

if TYPE_CHECKING:
    from tuneloop.lineage.lineage_rows import Lineage

TOP_REASONS = 3


def log_rows(manifests: Sequence[DataManifest]) -> list[dict[str, Any]]:
    """One row per version, in the order given; a column for private test rows where a version has any."""
    private = ["private"] if any(m.rows.get("private") for m in manifests) else []
    return [
        {
            "version": m.version,
            "recipe": m.recipe,
            "created": m.created_at,
            "parent": ", ".join(m.parents),
            "rows_in": m.rows_in,
            "kept": tables.kept_rows(m),
            "set_aside": m.rows_quarantined,
            **{split: m.rows.get(split, 0) for split in ("train", "validation", "test", *private)},
            "from_reviews": m.review_rows,
            **({"forgotten": m.forgotten.total if m.forgotten else 0} if any(o.forgotten for o in manifests) else {}),
            "top_reasons": _top(m.reasons),
        }
        for m in manifests
    ]


def print_log(manifests: Sequence[DataManifest], console: Console) -> None:
    console.print(_table("Data versions, oldest first", log_rows(manifests)))


def print_manifest(manifest: DataManifest, console: Console) -> None:
    """Verdict, steps, checks that found something, splits, slices with a remark, sources."""
    say(console, f"{manifest.recipe}: data version {manifest.version}, made {manifest.created_at}", style="bold")
    say(console, f"{tables.verdict(manifest)}.")
    for problem in tables.problems(manifest):
        say(console, problem, style="bold red")
    checks = tables.check_rows(manifest)
    names = ("reason", "severity", "rows", "suite")
    _print(console, "Steps", tables.funnel_rows(manifest))
    _print(console, "Checks that found something", [{n: c[n] for n in names} for c in checks if not c["passed"]])
    say(console, f"{sum(c['passed'] for c in checks)} of {len(checks)} checks found nothing.")
    _print(console, "Rows and their tokens (of a sample)", tables.split_rows(manifest))
    slices = [{"by": by, **p} for by, parts in tables.slice_rows(manifest).items() for p in parts]
    _print(console, "Slices with a remark", [p for p in slices if p["remark"]])
    _print(console, "Sources", [o.model_dump() | {"sha256": o.sha256[:12]} for o in manifest.sources])


def print_diff(found: DataDiff, console: Console) -> None:
    """Moved rows first and loud; then rows by split, and whatever else differs."""
    say(console, f"From data version {found.old} to {found.new}", style="bold")
    if found.is_empty:
        say(console, "Nothing differs.")
        return
    if found.moved:
        say(
            console,
            f"ROWS IN ANOTHER SPLIT THAN BEFORE: {len(found.moved):,}. That must never be:",
            style="bold red",
        )
        for move in found.moved[:10]:
            say(console, f"  {move.id}: {move.old} -> {move.new}", style="red")
    _print(console, "Rows", split_changes(found))
    for name in ("counts", "reasons", "slices", "sources", "config"):
        _print(console, name.capitalize(), change_rows(getattr(found, name)))


def print_lineage(row: Lineage, console: Console) -> None:
    """What is known of one row, a line each."""
    facts = {k: v for k, v in row.model_dump().items() if v not in (None, {})}
    facts["split"] = row.split or "none: set aside"
    for name, value in facts.items():
        for inner, told in value.items() if isinstance(value, Mapping) else [("", value)]:
            say(console, f"{in_words(f'{name} {inner}'.strip()):<20} {told}")


def say(console: Console, text: str, style: str = "") -> None:
    """One line, not folded, whatever it holds."""
    console.print(Text(visible(text), style=style), soft_wrap=True)


def visible(text: str) -> str:
    """Control and direction characters, which could repaint a terminal, and half surrogates written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _print(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        console.print(_table(title, rows))


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in rows[0]:
        is_count = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(in_words(name), justify="right" if is_count else "left")
    for row in rows:
        table.add_row(*(Text(visible(tables.cell(value))) for value in row.values()))
    return table


def _top(reasons: Mapping[str, int]) -> str:
    largest = sorted(reasons.items(), key=lambda item: -item[1])[:TOP_REASONS]
    return tables.counted(dict(largest))
