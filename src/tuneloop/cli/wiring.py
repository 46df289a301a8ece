"""Put together what the commands work with, from the settings of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import typer

import tuneloop
from tuneloop.adapters.argilla.webhooks import ensure_webhook
from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.errors import ServiceError
from tuneloop.ports import Validator
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


VALIDATOR = "expectations.validating"
"""The project's module with the expectations; the library may not import it, so it is looked up by its name."""


def project_root(settings: Settings) -> Path:
    """Return the root of the project that has the expectations: the settings' own, or the checkout of this package.

    Raises:
        ServiceError: neither has any.
    """
    module = Path(*VALIDATOR.split(".")).with_suffix(".py")
    own = settings.root.resolve()
    for root in (own, *Path(tuneloop.__file__).resolve().parents):
        if (root / module).is_file():
            return root
    raise ServiceError(f"there is no {module} in {own}: run this in the project's root, or set TUNELOOP_ROOT")


def validator(root: Path) -> Validator:
    """Load the project's expectations; a folder of the same name where the user is must not win over the project's."""
    sys.path.insert(0, str(root))
    found: Validator = import_module(VALIDATOR).SuiteValidator()
    return found
