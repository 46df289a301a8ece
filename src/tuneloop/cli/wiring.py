"""Put together what the commands work with, from the settings of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

import typer

from tuneloop.adapters.argilla.webhooks import ensure_webhook
from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.errors import ServiceError
from tuneloop.settings import Settings
from tuneloop.stack.environment import process_environment, worker_environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.lifecycle import Stack
from tuneloop.stack.state import StackState, load_state


def layout_of(settings: Settings) -> Layout:
    return Layout(root=settings.root.resolve(), workspace=settings.workspace_path)


def local_stack(settings: Settings, *, notify: Callable[[str], None] = typer.echo) -> Stack:
    return Stack(
        layout_of(settings),
        work_pools=PrefectApi,
        register_webhook=ensure_webhook,
        argilla_bin=settings.argilla_bin,
        notify=notify,
    )


def known_state(settings: Settings) -> StackState:
    """What the stack remembers; raises ServiceError when it was never started."""
    layout = layout_of(settings)
    state = load_state(layout.state_file)
    if state is None or not state.ports:
        raise ServiceError(f"there is no stack in {layout.workspace} yet: run `tuneloop up`")
    return state


def prefect_api(settings: Settings) -> PrefectApi:
    state = known_state(settings)
    return PrefectApi(state.prefect_api_url, state.prefect_auth)


@dataclass(frozen=True, slots=True)
class ArgillaServer:
    """Where the review sets are; `public_url` is the address that people open. The API key is an owner's."""

    url: str
    api_key: str = field(repr=False)
    public_url: str


def argilla_server(settings: Settings) -> ArgillaServer:
    """The Argilla server that the settings name, or that of the stack.

    Raises:
        ServiceError: there is neither.
    """
    url, key = settings.argilla_url, settings.argilla_api_key
    if url is None:
        state = known_state(settings)
        return ArgillaServer(
            state.url("argilla"), state.argilla_api_key, settings.argilla_public_url or state.url("argilla")
        )
    if key is None:
        raise ServiceError("TUNELOOP_ARGILLA_URL is set and TUNELOOP_ARGILLA_API_KEY is not: set it to an owner's key")
    return ArgillaServer(url, key.get_secret_value(), settings.argilla_public_url or url)


def client_environment(settings: Settings) -> dict[str, str]:
    """The environment for programs that talk to the stack, such as `prefect deploy` or a script of the user."""
    variables = worker_environment(
        layout_of(settings), known_state(settings), python_path=os.environ.get("PYTHONPATH", "")
    )
    return process_environment(os.environ, variables)
