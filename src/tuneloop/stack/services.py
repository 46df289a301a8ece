"""The services of the stack: what each runs, and how one sees that it is well."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tuneloop.errors import ServiceError
from tuneloop.stack import environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.state import StackState

POOL_LIMITS: Mapping[str, int] = {"cpu": 4, "training": 1}
"""Process work pools and how many flow runs each lets run at once; one training at a time fits one machine."""

PORTS_OF: Mapping[str, tuple[str, ...]] = {
    "prefect": ("prefect",),
    "mlflow": ("mlflow",),
    "argilla": ("argilla", "argilla-valkey"),
    "webhooks": ("webhooks",),
}


@dataclass(frozen=True, slots=True)
class Service:
    """`url` is the page people open, `probe` answers 200 when it is well. A worker has a `pool` instead, and the keeper
    the `heartbeat`, a file that it touches."""

    name: str
    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    url: str | None = None
    probe: str | None = None
    pool: str | None = None
    heartbeat: Path | None = None
    stop_wait_seconds: int = 10

    @property
    def port(self) -> int | None:
        """Where it answers."""
        return urlsplit(self.probe).port if self.probe else None


def worker_name(pool: str) -> str:
    return f"worker-{pool}"


KEEPER = "keeper"
WORKERS = tuple(worker_name(pool) for pool in POOL_LIMITS)
SERVICE_NAMES = (*PORTS_OF, *WORKERS, KEEPER)


def services(layout: Layout, state: StackState, argilla: Path) -> list[Service]:
    """All services, servers first."""
    return [
        prefect_server(layout, state),
        mlflow_server(layout, state),
        argilla_server(layout, state, argilla),
        answer_listener(layout, state),
        *(prefect_worker(layout, state, pool) for pool in POOL_LIMITS),
        keeper(layout),
    ]


def prefect_server(layout: Layout, state: StackState) -> Service:
    return Service(
        name="prefect",
        command=(sys.executable, "-m", "tuneloop.cli.prefect_server"),
        directory=layout.prefect,
        environment=environment.prefect_server_environment(layout, state),
        url=state.url("prefect"),
        probe=f"{state.prefect_api_url}/health",
    )


def mlflow_server(layout: Layout, state: StackState) -> Service:
    """One process: SQLite has one writer anyway, and a child of a killed `mlflow server` would keep the port."""
    return Service(
        name="mlflow",
        command=(
            *(sys.executable, "-m", "tuneloop.cli.mlflow_server"),
            *("--port", str(state.ports["mlflow"]), "--home", str(layout.mlflow)),
        ),
        directory=layout.mlflow,
        environment=environment.mlflow_environment(layout, state),
        url=state.url("mlflow"),
        probe=f"{state.url('mlflow')}/health",
    )


def argilla_server(layout: Layout, state: StackState, program: Path) -> Service:
    return Service(
        name="argilla",
        command=(
            str(program),
            "serve",
            "--home",
            str(layout.argilla),
            "--port",
            str(state.ports["argilla"]),
            "--valkey-port",
            str(state.ports["argilla-valkey"]),
        ),
        directory=layout.argilla,
        environment=environment.argilla_environment(state),
        url=state.url("argilla"),
        probe=f"{state.url('argilla')}/api/v1/status",
    )


def answer_listener(layout: Layout, state: StackState) -> Service:
    """Hears from Argilla that somebody has answered; see `lifecycle.Stack.listen_to_answers`."""
    return Service(
        name="webhooks",
        command=(sys.executable, "-m", "tuneloop.cli.answer_listener", "--port", str(state.ports["webhooks"])),
        directory=layout.run,
        environment=environment.webhooks_environment(layout, python_path=os.environ.get("PYTHONPATH", "")),
        probe=f"{state.url('webhooks')}/health",
    )


def prefect_worker(layout: Layout, state: StackState, pool: str) -> Service:
    """Runs flow runs as processes in the project's root, with everything they need in their environment."""
    return Service(
        name=worker_name(pool),
        command=(
            sys.executable,
            "-m",
            "prefect",
            "worker",
            "start",
            "--pool",
            pool,
            "--name",
            worker_name(pool),
            "--type",
            "process",
            "--install-policy",
            "never",
            "--no-create-pool-if-not-found",
        ),
        directory=layout.root,
        environment=environment.worker_environment(layout, state, python_path=os.environ.get("PYTHONPATH", "")),
        pool=pool,
        stop_wait_seconds=15,
    )


def keeper(layout: Layout) -> Service:
    """Looks after the others every few seconds; see `keeper.Keeper`."""
    return Service(
        name=KEEPER,
        command=(sys.executable, "-m", "tuneloop.cli.keeper"),
        directory=layout.run,
        environment=environment.webhooks_environment(layout, python_path=os.environ.get("PYTHONPATH", "")),
        heartbeat=layout.heartbeat,
    )


def argilla_program(root: Path, configured: Path | None) -> Path:
    """The Argilla server's command, which lives in an environment of its own.

    Raises:
        ServiceError: it is not there.
    """
    program = (configured or root / ".venv-argilla" / "bin" / "argilla-embedded").absolute()
    if not (program.is_file() and os.access(program, os.X_OK)):
        raise ServiceError(
            f"the Argilla server is not installed: {program} is missing. Run `make setup`, or point "
            "TUNELOOP_ARGILLA_BIN at an argilla-embedded that you have installed elsewhere"
        )
    return program
