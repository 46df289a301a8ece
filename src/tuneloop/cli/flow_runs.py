"""Start a flow on the stack and follow it: what `run` and `search` share."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import RecipeError, ServiceError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.adapters.prefect_api import FlowRun
    from tuneloop.settings import Settings

LINES_OF_A_FAILURE = 30


def start_run(
    settings: Settings, console: Console, *, deployment: str, recipe: str, parameters: Mapping[str, Any]
) -> FlowRun:
    """Ask for a run of `flow/deployment` for the recipe (its name) and say where it can be seen.

    The stack is started and the flows are deployed if they are not yet.
    """
    from tuneloop.cli.stack_commands import ensure_stack
    from tuneloop.cli.wiring import known_state, prefect_api

    ensure_stack(settings, console)
    api = prefect_api(settings)
    if api.deployment_id(deployment) is None:
        console.print("Deploying the flows (only the first time)...")
        deploy_flows(settings)
    created = api.create_flow_run(deployment, parameters, tags=[f"recipe:{recipe}"])
    console.print(
        f"Flow run {created.name}: {known_state(settings).url('prefect')}/runs/flow-run/{created.id}",
        highlight=False,
        soft_wrap=True,
    )
    return created


def watch(settings: Settings, flow_run_id: str, console: Console, *, result: str) -> int:
    """Follow the run to its end; 0 when it completed or waits for a person, 1 when it failed, 130 when the user stopped
    watching.

    `result` is the command that shows what came out.
    """
    from tuneloop.cli.follow import Follower
    from tuneloop.cli.wiring import prefect_api

    try:
        ended = Follower(prefect_api(settings), console).follow(flow_run_id)
    except KeyboardInterrupt:
        console.print(f"No longer watching; the run goes on. `{result}` shows its result when it is done.")
        return 130
    if ended.waits_for_a_person:
        console.print("It waits for a person: `tuneloop review approve` or `decline`, or Resume on Prefect's page.")
        return 0
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
