"""What the `tuneloop models` commands work with: the registry, the recipe that is meant, and who is asking."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import DataError

if TYPE_CHECKING:
    from tuneloop.ports import Registry
    from tuneloop.settings import Settings

PERSON_VARIABLE = "TUNELOOP_USER"
STACK_VARIABLES = ("NO_PROXY", "no_proxy", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
"""A company's web proxy cannot reach this machine's loopback; MLflow's client takes its login from here."""


def registry_of(settings: Settings) -> Registry:
    """The registry that the settings name, or that of the stack.

    Raises:
        ServiceError: there is neither.
    """
    from tuneloop.adapters.mlflow_registry import MlflowRegistry
    from tuneloop.cli.wiring import client_environment

    if settings.mlflow_url:
        return MlflowRegistry(settings.mlflow_url)
    stack = client_environment(settings)
    os.environ.update({name: stack[name] for name in STACK_VARIABLES})
    return MlflowRegistry(stack["TUNELOOP_MLFLOW_URL"])


def recipe_named(given: str | None, workspace: Path) -> str:
    """The name of the recipe: given, in the file that was given, or the only one that has rounds.

    Raises:
        DataError: none was given, and there are no rounds, or those of several recipes.
    """
    if given is not None:
        return _name_in(Path(given)) if Path(given).suffix in {".yaml", ".yml"} else given
    folder = workspace / "rounds"
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    if len(names) == 1:
        return names[0]
    if not names:
        raise DataError(f"no rounds in {workspace} yet: `tuneloop run deployments/recipes/NAME.yaml` makes one")
    raise DataError(f"say which recipe is meant: {', '.join(names)}")


def this_person() -> str:
    """Whom the audit trail names: TUNELOOP_USER, or the user of this machine; "" if neither is known."""
    try:
        return os.environ.get(PERSON_VARIABLE) or getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def _name_in(recipe: Path) -> str:
    from tuneloop.recipes import load_recipe

    return load_recipe(recipe).name
