"""`tuneloop private`: who scored what on the private test set, and whether its score can still be believed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.cli.consoles import wide_console

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.evaluation.private_uses import Entry
    from tuneloop.recipes import Rule
    from tuneloop.results.private_test import PrivateUse

HASH_DIGITS = 12


def register(app: typer.Typer) -> None:
    app.command("private", rich_help_panel="The loop")(private)


def private(
    recipe: Annotated[
        str | None, typer.Argument(help="A recipe's name or file; all recipes of the workspace if left out.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs.")] = False,
) -> None:
    """List every use of the private test set, how many models were scored on it, and what that does to its score.

    Rows of a source with `private: true` are scored once for each model that is to be promoted, and for nothing else.
    With a recipe's file, rules of its gate that name a private metric are found as well.
    """
    from tuneloop.settings import Settings

    names, rules = _asked(recipe, Settings().workspace_path)
    found = [part for name in names for part in _sets(Settings().workspace_path, name, rules)]
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    console = wide_console()
    if not found:
        console.print("No private test set has been scored on yet; docs/private-test.md says how to have one.")
    for part in found:
        _print(part, console)


def _asked(recipe: str | None, workspace: Path) -> tuple[list[str], Sequence[Rule]]:
    """Names of recipes, and the rules of the one that was named by its file."""
    from tuneloop.evaluation.private_uses import FOLDER
    from tuneloop.recipes import load_recipe

    if recipe is None:
        return sorted(file.stem for file in (workspace / FOLDER).glob("*.jsonl")), ()
    if Path(recipe).suffix in {".yaml", ".yml"}:
        loaded = load_recipe(recipe)
        return [loaded.name], loaded.evaluation.rules
    return [recipe], ()


def _sets(workspace: Path, recipe: str, rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """What is known of each set of private rows that a recipe has had, the oldest first."""
    from tuneloop.evaluation.private_uses import UseLedger
    from tuneloop.results.private_test import PrivateUse

    entries = UseLedger.of(workspace, recipe).entries()
    by_rows: dict[str, list[PrivateUse]] = {}
    for entry in entries:
        if isinstance(entry, PrivateUse):
            by_rows.setdefault(entry.rows_hash, []).append(entry)
    return [_set(workspace, entries, uses, rules) for uses in by_rows.values()]


def _set(
    workspace: Path, entries: Sequence[Entry], uses: Sequence[PrivateUse], rules: Sequence[Rule]
) -> dict[str, Any]:
    from tuneloop.evaluation.private_test import known_reports
    from tuneloop.evaluation.private_uses import looks_at
    from tuneloop.evaluation.private_warnings import optimism, warnings_of

    first = uses[0]
    looks = looks_at(entries, first.sketch)
    reports = [r for r in known_reports(workspace, first.recipe) if r.rows_hash == first.rows_hash]
    return {
        "recipe": first.recipe,
        "rows_hash": first.rows_hash[:HASH_DIGITS],
        "rows": first.rows,
        "models": len(looks.models),
        "compared_before_promotion": looks.compared,
        "uses_to_choose": looks.choices,
        "warnings": warnings_of(looks, rules, optimism(reports[-1], looks) if reports else None),
        "uses": [_told(use) for use in uses],
    }


def _told(use: PrivateUse) -> dict[str, Any]:
    return {
        "at": use.at,
        "by": use.by,
        "model": use.model,
        "model_hash": use.model_hash[:HASH_DIGITS],
        "data_version": use.data_version,
        "purpose": use.purpose,
        "flow_run_id": use.flow_run_id or "",
    }


def _print(part: dict[str, Any], console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    models = f"{part['models']} model{'' if part['models'] == 1 else 's'} scored"
    title = f"{part['recipe']}: {part['rows']} private rows {part['rows_hash']}, {models} on these or some of these"
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in part["uses"][0]:
        table.add_column(name.replace("_", " "))
    for use in part["uses"]:
        table.add_row(*(Text(value) for value in use.values()))
    console.print(table)
    for warning in part["warnings"]:
        console.print(Text(f"Warning: {warning}", style="bold yellow"), soft_wrap=True)
