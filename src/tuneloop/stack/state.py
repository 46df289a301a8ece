"""What the stack remembers between starts: its secrets and its ports, in one private file."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tuneloop.errors import ServiceError
from tuneloop.files import atomic_write
from tuneloop.stack.local_ports import HOST

PORT_NAMES = ("prefect", "mlflow", "argilla", "argilla-valkey", "webhooks")


@dataclass(frozen=True, slots=True)
class StackState:
    """Our secrets are made once and never change; a port changes only when somebody else has taken it."""

    prefect_auth: str = field(repr=False)
    argilla_username: str
    argilla_password: str = field(repr=False)
    argilla_api_key: str = field(repr=False)
    ports: dict[str, int] = field(default_factory=dict)
    webhook_secret: str = field(default="", repr=False)
    """What Argilla signs its messages with; the server's own, known once we are registered there."""
    mlflow_username: str = "tuneloop"
    mlflow_password: str = field(default="", repr=False)
    """Empty in the state of a stack that was started before MLflow had a login; `with_all_secrets` makes it."""

    def url(self, port_name: str) -> str:
        return f"http://{HOST}:{self.ports[port_name]}"

    @property
    def prefect_api_url(self) -> str:
        return f"{self.url('prefect')}/api"

    @property
    def mlflow_login(self) -> str:
        return f"{self.mlflow_username}:{self.mlflow_password}"

    def with_all_secrets(self) -> StackState:
        """Make the secrets that a state from an older version lacks."""
        return self if self.mlflow_password else replace(self, mlflow_password=secrets.token_urlsafe(24))

    def with_ports(self, ports: dict[str, int]) -> StackState:
        return replace(self, ports=ports)


def new_state() -> StackState:
    """Fresh random secrets and no ports yet."""
    return StackState(
        prefect_auth=f"tuneloop:{secrets.token_urlsafe(24)}",
        argilla_username="owner",
        argilla_password=secrets.token_urlsafe(18),
        argilla_api_key=secrets.token_urlsafe(32),
    ).with_all_secrets()


def load_state(path: Path) -> StackState | None:
    """The remembered state, or None when there is none; its mode is brought back to 0600.

    Raises:
        ServiceError: the file cannot be understood.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    path.chmod(0o600)
    try:
        return StackState(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise ServiceError(
            f"{path} is damaged: restore it, or delete it together with {path.parent / 'argilla'} "
            "(the review server's accounts are bound to its secrets)"
        ) from error


def save_state(path: Path, state: StackState) -> None:
    """Write atomically with mode 0600: no moment at which others can read it or half of it is there."""
    atomic_write(path, json.dumps(asdict(state), indent=2) + "\n")
