"""`tuneloop reproduce`: train a past run again as it was, and say whether the same model comes out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.consoles import wide_console
from tuneloop.errors import TrainingError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.lineage.data_diff import Difference
    from tuneloop.lineage.reproduction import Reproduction
    from tuneloop.registry.past_runs import PastRun
    from tuneloop.settings import Settings
    from tuneloop.training.launching import TrainingCall


def register(app: typer.Typer) -> None:
    app.command("reproduce", rich_help_panel="The loop")(reproduce)


def reproduce(
    run: Annotated[
        str,
        typer.Argument(help="Number of a round, id of its MLflow or flow run, a training's key, or its folder."),
    ],
    *,
    recipe: Annotated[str | None, typer.Option(help="Only rounds of the recipe with this name.")] = None,
    recipe_file: Annotated[Path | None, typer.Option(help="The recipe as it was, where the run kept none.")] = None,
    check_only: Annotated[bool, typer.Option("--check-only", help="Check what it rests on, and do not train.")] = False,
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="Relative difference of losses that still counts as equal; 0.01.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs.")] = False,
) -> None:
    """Train a past run again, with the settings it kept, on the same data version, and compare the two models.

    First it checks that data, base and settings are what they were, and shows what is different around them. The
    result is identical, equal within tolerance (both exit code 0) or different (exit code 1). A repetition that was
    cut off goes on where it stopped; nothing of the past run is touched.
    """
    from tuneloop.recipes import require_readable
    from tuneloop.registry.known_rounds import known_rounds
    from tuneloop.registry.past_runs import find_past_run, recipe_of
    from tuneloop.settings import Settings
    from tuneloop.workflows.reproduce import check_repetition

    settings = Settings()
    known = known_rounds(settings.workspace_path, recipe)
    past = find_past_run(settings.workspace_path, known, run)
    file = settings.root / recipe_file if recipe_file else None
    spec = recipe_of(past, file)
    require_readable(spec, root=settings.root, workspace=settings.workspace_path)
    console = wide_console(quiet=as_json)
    found, call = check_repetition(past, spec, known, settings=settings)
    _print_conditions(console, found)
    if not (found.is_possible and call) or check_only:
        _end(found, as_json=as_json)
        return
    _end(_repeated(settings, console, past, found, call, tolerance), as_json=as_json)


def _repeated(
    settings: Settings,
    console: Console,
    past: PastRun,
    found: Reproduction,
    call: TrainingCall,
    tolerance: float | None,
) -> Reproduction:
    from tuneloop.cli.training_display import progress_line
    from tuneloop.lineage.data_diff import chosen_differences
    from tuneloop.lineage.reproduction import TOLERANCE
    from tuneloop.workflows.reproduce import repeat

    with progress_line(console, call.config.epochs) as on_progress:
        done, report, file = repeat(
            past,
            found,
            call,
            launcher=settings.launcher,
            tolerance=TOLERANCE if tolerance is None else tolerance,
            on_progress=on_progress,
        )
    _print_differences(console, "What each auto became", chosen_differences(past.report.chosen, report.chosen))
    _print_comparison(console, done, file)
    return done


def _end(found: Reproduction, *, as_json: bool) -> None:
    """Exit code 1 for what cannot be repeated and for a repetition that came to another model."""
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    if not found.is_possible:
        raise TrainingError(f"{found.run} cannot be repeated here; see what is blocking above")
    if found.comparison and found.comparison.outcome == "different":
        raise typer.Exit(1)


def _print_conditions(console: Console, found: Reproduction) -> None:
    from tuneloop.reports.data.terminal import say

    threads = f", {found.threads} threads" if found.threads else ""
    say(console, f"{found.run}: training {found.key}, seed {found.seed}{threads}", style="bold")
    for finding in found.findings:
        style = {"blocking": "bold red", "differs": "yellow", "unknown": "yellow"}.get(finding.state, "")
        say(console, f"  {finding.what}: {finding.text}", style=style)
    _print_differences(console, "Around it", found.differences)


def _print_differences(console: Console, title: str, differences: list[Difference]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tuneloop.reports.data.terminal import visible

    if not differences:
        return
    table = Table("what", "then", "now", "may change the model", title=title, title_justify="left", box=box.SIMPLE)
    for d in differences:
        cells = (d.name, str(d.then), str(d.now), "yes" if d.may_change_model else "no")
        table.add_row(*(Text(visible(cell)) for cell in cells))
    console.print(table)


def _print_comparison(console: Console, found: Reproduction, file: Path) -> None:
    from tuneloop.reports.data.terminal import say

    result = found.comparison
    if result is None:
        return
    colour = "red" if result.outcome == "different" else "green"
    say(console, f"{result.outcome}: {result.text}", style=f"bold {colour}")
    validation = (
        "" if result.eval_loss_then is None else f", validation {result.eval_loss_then} -> {result.eval_loss_now}"
    )
    say(console, f"  loss {result.train_loss_then} -> {result.train_loss_now}{validation}")
    say(console, f"  {file}")
