"""`tuneloop search`: better training values, and whether more rows would help."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.settings import Settings

DEPLOYMENT = "hyperparameter-search/hyperparameter-search"


def register(app: typer.Typer) -> None:
    app.command("search", rich_help_panel="The loop")(search)


def search(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as deployments/recipes/NAME.yaml.")],
    *,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Settings tried in all; as the recipe's search section says if left out.")
    ] = None,
    learning_curve: Annotated[
        bool, typer.Option("--learning-curve", help="Train on 60, 120, 240, 480 and all rows instead.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Only show what the last search found.")] = False,
    wait: Annotated[bool, typer.Option(help="Follow the run until it ends.")] = True,
) -> None:
    """Try other values of the recipe's training section, judged by the validation loss, and show what came out.

    The run happens on the worker of the stack: Ctrl-C only stops watching, and a search that was cut off goes on where
    it stopped. The recipe is never changed: the lines to paste into it are printed. Exit code 1 when the run fails.
    """
    from rich.console import Console

    from tuneloop.cli.flow_runs import path_from_root, start_run, watch
    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings

    settings, console = Settings(), Console()
    path = path_from_root(recipe, settings.root)
    name = readable_recipe(settings.root / path, root=settings.root, workspace=settings.workspace_path).name
    print_result = _print_curve if learning_curve else _print_search
    if show:
        print_result(settings, name)
        return
    parameters = {"recipe": path, "trials": trials, "what": "learning-curve" if learning_curve else "search"}
    run = start_run(settings, console, deployment=DEPLOYMENT, recipe=name, parameters=parameters)
    if not wait:
        return
    command = f"tuneloop search {path} --show{' --learning-curve' if learning_curve else ''}"
    if code := watch(settings, run.id, console, result=command):
        raise typer.Exit(code)
    print_result(settings, name)


def _print_search(settings: Settings, recipe: str) -> None:
    from tuneloop.reports.search import draw_search, recipe_lines, trial_rows, verdict
    from tuneloop.results.search import latest_search

    found = latest_search(settings.workspace_path, recipe)
    if found is None:
        raise DataError(f"{recipe} has not been searched yet: `tuneloop search` without --show does it")
    folder, report = found
    console = _console()
    title = f"{recipe}: {report.rows} training rows, {report.validation_rows} validation rows"
    _print_table(console, title, trial_rows(report))
    console.print(verdict(report), highlight=False)
    console.print(f"Picture: {_written(folder / 'search.png', draw_search(report))}", highlight=False, soft_wrap=True)
    if lines := recipe_lines(report):
        console.print("\nFor the recipe:")
        typer.echo(lines, nl=False)


def _print_curve(settings: Settings, recipe: str) -> None:
    from tuneloop.reports.search import curve_rows, curve_verdict, draw_curve
    from tuneloop.results.search import latest_curve

    found = latest_curve(settings.workspace_path, recipe)
    if found is None:
        raise DataError(
            f"{recipe} has no learning curve yet: `tuneloop search --learning-curve` without --show draws one"
        )
    folder, curve = found
    console = _console()
    title = f"{recipe}: {curve.steps} steps each, {curve.validation_rows} validation rows"
    _print_table(console, title, curve_rows(curve))
    console.print(curve_verdict(curve), highlight=False)
    console.print(f"Picture: {_written(folder / 'curve.png', draw_curve(curve))}", highlight=False, soft_wrap=True)


def _console() -> Console:
    from rich.console import Console

    # Into a file or a pipe, rich would fold the tables at 80 columns.
    return Console(width=None if sys.stdout.isatty() else 120)


def _print_table(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in rows[0] if rows else ():
        table.add_column(name, justify="right" if name in {"validation loss", "seconds"} else "left")
    for row in rows:
        table.add_row(*map(str, row.values()))
    console.print(table, highlight=False)


def _written(file: Path, picture: bytes) -> Path:
    file.write_bytes(picture)
    return file
