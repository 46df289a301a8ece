"""`tuneloop deploy`, `run`, `validate-recipe` and `report`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.errors import DataError, RecipeError, ServiceError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.results import Round
    from tuneloop.settings import Settings

DEPLOYMENT = "retraining-cycle/retraining-cycle"
LINES_OF_A_FAILURE = 30


def register(app: typer.Typer) -> None:
    for name, command in (("deploy", deploy), ("run", run), ("validate-recipe", validate_recipe), ("report", report)):
        app.command(name, rich_help_panel="The loop")(command)


def deploy() -> None:
    """Tell Prefect about the flows in deployments/prefect.yaml and the automations. Starts the stack if needed."""
    from rich.console import Console

    from tuneloop.cli.stack_commands import ensure_stack
    from tuneloop.settings import Settings

    settings, console = Settings(), Console()
    ensure_stack(settings, console)
    deploy_flows(settings)
    console.print("The flows are deployed.")


def deploy_flows(settings: Settings) -> None:
    """Deploy into the running stack; raises ServiceError with the last lines of what went wrong."""
    flows = Path("deployments/prefect.yaml")
    if not (settings.root / flows).is_file():
        raise ServiceError(
            f"there is no {flows} in {settings.root.resolve()}: run this in the project's root, or set TUNELOOP_ROOT"
        )
    _python(settings, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(flows), "--all")
    if (settings.root / "deployments" / "automations.py").is_file():
        _python(settings, "-m", "deployments.automations")


def _python(settings: Settings, *arguments: str) -> None:
    from tuneloop.cli.wiring import client_environment

    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.root,
        env=client_environment(settings),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        end = "\n".join(done.stdout.splitlines()[-LINES_OF_A_FAILURE:])
        raise ServiceError(f"`python {' '.join(arguments)}` ended with code {done.returncode}:\n{end}")


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

    from tuneloop.cli.stack_commands import ensure_stack
    from tuneloop.cli.wiring import known_state, prefect_api
    from tuneloop.recipes import load_recipe
    from tuneloop.settings import Settings

    settings, console = Settings(), Console()
    path = path_from_root(recipe, settings.root)
    name = load_recipe(settings.root / path).name
    ensure_stack(settings, console)
    api = prefect_api(settings)
    if api.deployment_id(DEPLOYMENT) is None:
        console.print("Deploying the flows (only the first time)...")
        deploy_flows(settings)
    created = api.create_flow_run(DEPLOYMENT, {"recipe": path, "trigger": trigger}, tags=[f"recipe:{name}"])
    console.print(
        f"Flow run {created.name}: {known_state(settings).url('prefect')}/runs/flow-run/{created.id}",
        highlight=False,
        soft_wrap=True,
    )
    if wait:
        raise typer.Exit(watch(settings, created.id, console))


def watch(settings: Settings, flow_run_id: str, console: Console) -> int:
    """Follow the run to its end; 0 when it completed, 1 when not, 130 when the user stopped watching."""
    from tuneloop.cli.follow import Follower
    from tuneloop.cli.wiring import prefect_api

    try:
        ended = Follower(prefect_api(settings), console).follow(flow_run_id)
    except KeyboardInterrupt:
        console.print("No longer watching; the run goes on. `tuneloop report` shows its result when it is done.")
        return 130
    return 0 if ended.is_completed else 1


def path_from_root(path: Path, root: Path) -> str:
    """The recipe as the flow finds it: relative to the root where it lies below it, absolute elsewhere.

    Raises:
        RecipeError: there is no such file here or below the root.
    """
    for candidate in (path, root / path):
        if candidate.is_file():
            full, base = candidate.resolve(), root.resolve()
            return str(full.relative_to(base)) if full.is_relative_to(base) else str(full)
    raise RecipeError(f"no recipe at {path}: see deployments/recipes/ for examples")


def validate_recipe(paths: Annotated[list[Path], typer.Argument(help="Recipe files.")]) -> None:
    """Check recipes without running anything. Exit code 1 when one has errors."""
    from tuneloop.recipes import load_recipe

    wrong = 0
    for path in paths:
        try:
            typer.echo(f"OK     {path} ({load_recipe(path).name})")
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
        from tuneloop.history.summary import summarise

        typer.echo(json.dumps(summarise(rounds), indent=2))
    else:
        from rich.console import Console

        from tuneloop.history.tables import print_rounds

        # Into a file or a pipe, rich would fold the tables at 80 columns.
        print_rounds(rounds, Console(width=None if sys.stdout.isatty() else 120))


def _rounds(workspace: Path, recipe: str | None) -> list[Round]:
    """The recipe's rounds, or those of the recipe that ran last."""
    from tuneloop.history.rounds import load_rounds, rounds_folder

    folder = rounds_folder(workspace, "any").parent
    names = [recipe] if recipe else sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    found = [rounds for name in names if (rounds := load_rounds(workspace, name))]
    if not found:
        raise DataError(
            f"no rounds {f'of {recipe} ' if recipe else ''}in {workspace} yet: "
            "`tuneloop run deployments/recipes/NAME.yaml` makes one"
        )
    return max(found, key=lambda rounds: rounds[-1].started_at)
