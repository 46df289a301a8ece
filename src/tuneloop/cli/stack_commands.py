"""`tuneloop up`, `down`, `status`, `logs` and `secrets`."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.settings import Settings


def register(app: typer.Typer) -> None:
    for command in (up, down, status, logs, secrets):
        app.command(rich_help_panel="The local stack")(command)


def up() -> None:
    """Start Prefect, MLflow, Argilla, two workers and their keeper, or mend what of them is broken.

    The first start makes random passwords and chooses free ports; both are kept in .tuneloop/stack.json, which only you
    can read. Everything listens on 127.0.0.1 only. Repeat it whenever you like: what runs well is left alone.

    The services keep the environment variables of the shell that started them (CUDA_VISIBLE_DEVICES, HF_HOME, proxies);
    after changing those, run `tuneloop down` first.
    """
    from rich.console import Console

    from tuneloop.settings import Settings

    began = time.monotonic()
    start_stack(Settings(), Console())
    typer.echo(f"The stack is up ({time.monotonic() - began:.1f} s). Logins: tuneloop secrets. Stop: tuneloop down.")


def start_stack(settings: Settings, console: Console) -> None:
    """Bring the stack up with progress on the console; quick when it is up already."""
    from tuneloop.cli.progress import StartDisplay
    from tuneloop.cli.wiring import local_stack

    with StartDisplay(console) as display:
        local_stack(settings, notify=lambda text: console.print(text, highlight=False)).up(display)


def ensure_stack(settings: Settings, console: Console) -> None:
    """Start the stack for a command that needs it; says nothing when it is up already."""
    from tuneloop.cli.wiring import local_stack

    if not local_stack(settings).is_up():
        start_stack(settings, console)


def down() -> None:
    """Stop everything that `tuneloop up` started, with all child processes. No data is lost.

    Flow runs that are under way are interrupted; those that save checkpoints go on from the last one.
    """
    from tuneloop.cli.wiring import local_stack
    from tuneloop.settings import Settings

    local_stack(Settings()).down()
    typer.echo("The stack is down.")


def status(
    *,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="A JSON list of {name, url, pid, health, since, answered_by, restarts, restarted, problem, dead_runs}",
        ),
    ] = False,
) -> None:
    """Show each service: its address, its process and the one that answers, its restarts, its health.

    Exit code 1 unless all are healthy. A worker whose pool has a slot that is held by a run without a process is not;
    the keeper ends such runs within seconds, and `tuneloop up` mends everything that is shown here.
    """
    from tuneloop.cli.wiring import local_stack
    from tuneloop.settings import Settings

    found = local_stack(Settings()).status()
    if as_json:
        typer.echo(json.dumps([s.to_json() for s in found], indent=2))
    else:
        from rich.console import Console

        from tuneloop.cli.progress import problem_lines, status_table

        console = Console()
        console.print(status_table(found))
        for line in problem_lines(found):
            console.print(line, highlight=False, markup=False)
    if any(s.health != "healthy" for s in found):
        raise typer.Exit(1)


def logs(
    service: Annotated[
        str | None,
        typer.Argument(
            help="prefect, mlflow, argilla, webhooks, worker-cpu, worker-training, keeper or supervisor; default: all."
        ),
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines to show.")] = 50,
) -> None:
    """Show the services' logs (kept in .tuneloop/logs, rotated)."""
    from tuneloop.cli.wiring import layout_of
    from tuneloop.errors import ServiceError
    from tuneloop.settings import Settings
    from tuneloop.stack import logs as log_files
    from tuneloop.stack.services import SERVICE_NAMES

    known = (*SERVICE_NAMES, "supervisor")
    if service is not None and service not in known:
        raise ServiceError(f"there is no service {service}; there are {', '.join(known)}")
    layout = layout_of(Settings())
    paths = {name: layout.log_file(name) for name in ([service] if service else known)}
    for name, path in paths.items():
        for line in log_files.last_lines(path, lines):
            typer.echo(_labelled(name, line, single=service is not None))
    if follow:
        for name, line in log_files.follow(paths):
            typer.echo(_labelled(name, line, single=service is not None))


def _labelled(name: str, line: str, *, single: bool) -> str:
    return line if single else f"{name:16}| {line}"


def secrets(
    *, force: Annotated[bool, typer.Option("--force", help="Print them although the output is not a terminal.")] = False
) -> None:
    """Print the logins of the Prefect, Argilla and MLflow pages. No other command ever shows them."""
    from tuneloop.cli.wiring import known_state
    from tuneloop.errors import ServiceError
    from tuneloop.settings import Settings

    if not force and not sys.stdout.isatty():
        raise ServiceError(
            "the output is not a terminal, so that the secrets would end in a file or another program: "
            "add --force if that is what you want"
        )
    state = known_state(Settings())
    typer.echo(f"Prefect  {state.url('prefect')}\n  auth string  {state.prefect_auth}")
    typer.echo(
        f"Argilla  {state.url('argilla')}\n  user name    {state.argilla_username}\n"
        f"  password     {state.argilla_password}\n  API key      {state.argilla_api_key}"
    )
    typer.echo(
        f"MLflow   {state.url('mlflow')}\n  user name    {state.mlflow_username}\n"
        f"  password     {state.mlflow_password or '(none yet: `tuneloop up` makes one)'}"
    )
