"""The connection to MLflow, and its failures as advice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tuneloop.errors import ServiceError

_MAX_VALUE_CHARACTERS = 5000
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # MLflow's own 7 retries wait for four minutes before they say that there is no server.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def connect(url: str) -> Any:
    """The SDK's client for runs and models at `url`."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)  # MLflow reads them from the environment only
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=url, registry_uri=url)


@contextmanager
def service(url: str) -> Iterator[None]:
    """MLflow's errors as ServiceError; a file of ours that is missing stays what it is."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except FileNotFoundError:
        raise  # an artefact of ours, not the server's doing
    except (MlflowException, OSError) as error:
        raise ServiceError(f"MLflow at {url} failed: {str(error)[:300]}. {_remedy(str(error))}") from error


def _remedy(problem: str) -> str:
    if "error code 401" in problem:  # MLflow's client has no error of its own for it
        return (
            "It wants a login: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (`tuneloop secrets` shows "
            "those of the stack), or unset TUNELOOP_MLFLOW_URL to use the stack's"
        )
    return "Is it running? `tuneloop up` starts it, TUNELOOP_MLFLOW_URL says where it is"


def short(value: Any) -> str:
    """MLflow refuses values above 6,000 characters (parameters) or 5,000 (version tags)."""
    return str(value)[:_MAX_VALUE_CHARACTERS]


def quoted(text: str) -> str:
    """A string in MLflow's search language."""
    return "'" + text.replace("'", "''") + "'"
