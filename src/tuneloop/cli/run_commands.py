"""`tuneloop deploy`, `run`, `validate-recipe` and `report`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.flow_runs import deploy_flows, path_from_root, start_run, watch
from tuneloop.errors import DataError, RecipeError

if TYPE_CHECKING:
    from tuneloop.results import Round

DEPLOYMENT = "retraining-cycle/retraining-cycle"


def register(app: typer.Typer) -> None:
    for name, command in (("deploy", deploy), ("run", run), ("validate-recipe", validate_recipe), ("report", report)):
        app.command(name, rich_help_panel="The loop")(command)


def deploy() -> None:
    """Tell Prefect about the flows in deployments/prefect.yaml and the automations. Starts the stack if needed."""
    from rich.console import Console

    from tuneloop.cli.stack_commands import ensure_stack
    from tuneloop.cli.wiring import local_stack
    from tuneloop.settings import Settings

    settings, console = Settings(), Console()
    ensure_stack(settings, console)
    local_stack(settings).listen_to_answers()
    deploy_flows(settings)
    console.print("The flows are deployed.")


def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe, such as deployments/recipes/NAME.yaml.")],
    *,
    trigger: Annotated[str, typer.Option(help="What is written down as the cause of this round.")] = "manual",
    wait: Annotated[bool, typer.Option(help="Follow the run until it ends.")] = True,
) -> None:
    """Turn the loop once: validate, train, evaluate, decide, ask for review.

    The run happens on the worker of the stack, not in this terminal: Ctrl-C only stops watching. The stack is started
    and the flows are deployed if they are not yet. Exit code 1 when the run fails.
    """
    from rich.console import Console

    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings

    settings, console = Settings(), Console()
    path = path_from_root(recipe, settings.root)
    name = readable_recipe(settings.root / path, root=settings.root, workspace=settings.workspace_path).name
    parameters = {"recipe": path, "trigger": trigger}
    created = start_run(settings, console, deployment=DEPLOYMENT, recipe=name, parameters=parameters)
    if wait:
        raise typer.Exit(watch(settings, created.id, console, result="tuneloop report"))


def validate_recipe(paths: Annotated[list[Path], typer.Argument(help="Recipe files.")]) -> None:
    """Check recipes without running anything. Exit code 1 when one has errors."""
    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings

    settings, wrong = Settings(), 0
    for path in paths:
        try:
            found = readable_recipe(path, root=settings.root, workspace=settings.workspace_path)
            typer.echo(f"OK     {path} ({found.name})")
        except RecipeError as error:
            typer.echo(f"WRONG  {error}", err=True)
            wrong += 1
    if wrong:
        raise typer.Exit(1)


def report(
    *,
    recipe: Annotated[str | None, typer.Option(help="The recipe's name; the one that ran last if left out.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list with one object per round.")] = False,
) -> None:
    """Show the rounds of a recipe: scores with intervals, rows, costs, verdicts with their reasons."""
    from tuneloop.settings import Settings

    rounds = _rounds(Settings().workspace_path, recipe)
    if as_json:
        from tuneloop.registry.summary import summarise

        typer.echo(json.dumps(summarise(rounds), indent=2))
    else:
        from rich.console import Console

        from tuneloop.reports.rounds import print_rounds

        # Into a file or a pipe, rich would fold the tables at 80 columns.
        print_rounds(rounds, Console(width=None if sys.stdout.isatty() else 120))


def _rounds(workspace: Path, recipe: str | None) -> list[Round]:
    """The recipe's rounds, or those of the recipe that ran last."""
    from tuneloop.registry.rounds import load_rounds, rounds_folder

    folder = rounds_folder(workspace, "any").parent
    names = [recipe] if recipe else sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    found = [rounds for name in names if (rounds := load_rounds(workspace, name))]
    if not found:
        raise DataError(
            f"no rounds {f'of {recipe} ' if recipe else ''}in {workspace} yet: "
            "`tuneloop run deployments/recipes/NAME.yaml` makes one"
        )
    return max(found, key=lambda rounds: rounds[-1].started_at)
