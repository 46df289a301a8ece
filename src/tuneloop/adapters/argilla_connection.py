"""The connection to an Argilla 2.8 server: failures as advice, the workspace, and who may enter it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tuneloop.errors import ServiceError

WORKSPACE = "tuneloop"


def ensure_annotator(url: str, owner_api_key: str, username: str, password: str, *, workspace: str = WORKSPACE) -> str:
    """The API key of the annotator's account, which is created (and let into the workspace) if it is not there.

    The password counts only when the account is created.

    Raises:
        ServiceError: the server is not there or refuses us.
    """
    with service(url):
        client = connect(url.rstrip("/"), owner_api_key)
        http: httpx.Client = client.http_client
        user = next((u for u in items_at(http, "/api/v1/users") if u["username"] == username), None)
        if user is None:
            account = {"username": username, "first_name": username, "role": "annotator", "password": password}
            user = http.post("/api/v1/users", json=account).raise_for_status().json()
        let_everybody_in(http, ensure_workspace(client, workspace))
    return str(user["api_key"])


def connect(url: str, api_key: str, timeout_seconds: int = 60) -> Any:
    """The SDK's client; its `http_client` carries the API key."""
    import argilla

    return argilla.Argilla(api_url=url, api_key=api_key, timeout=timeout_seconds, retries=2)


def ensure_workspace(client: Any, name: str) -> str:
    """Id of the workspace, which is created if it is not there."""
    import argilla

    for workspace in items_at(client.http_client, "/api/v1/me/workspaces"):
        if workspace["name"] == name:
            return str(workspace["id"])
    return str(argilla.Workspace(name=name, client=client).create().id)


def let_everybody_in(http: httpx.Client, workspace: str) -> None:
    """Every user of the server may see and answer the workspace's review sets."""
    inside = {user["id"] for user in items_at(http, f"/api/v1/workspaces/{workspace}/users")}
    for user in items_at(http, "/api/v1/users"):
        if user["id"] not in inside and user["role"] != "owner":  # owners see every workspace anyhow
            http.post(f"/api/v1/workspaces/{workspace}/users", json={"user_id": user["id"]}).raise_for_status()


def items_at(http: httpx.Client, path: str, query: Mapping[str, str | int] | None = None) -> list[dict[str, Any]]:
    """The `items` of an answer of Argilla's API."""
    items: list[dict[str, Any]] = http.get(path, params=query).raise_for_status().json()["items"]
    return items


@contextmanager
def service(url: str) -> Iterator[None]:
    """Failures of the server as advice. The cause is left out on purpose: Argilla quotes the text that it refuses."""
    from argilla._exceptions import ArgillaAPIError, ArgillaCredentialsError, ArgillaError

    try:
        yield
        return
    except httpx.HTTPStatusError as error:
        advice = _advice(error.response.status_code)
    except httpx.HTTPError as error:
        advice = f"does not answer ({type(error).__name__}); start it with `tuneloop up`, or set TUNELOOP_ARGILLA_URL"
    except ArgillaCredentialsError:
        advice = _advice(401)
    except ArgillaAPIError as error:
        advice = _advice(error.status_code)
    except ArgillaError as error:
        advice = f"could not do it ({type(error).__name__}); its log says why (`tuneloop logs argilla`)"
    except ValueError as error:
        advice = f"gives no Argilla answers ({type(error).__name__}); is another server on this address?"
    raise ServiceError(f"Argilla at {url} {advice}")


def _advice(status: int) -> str:
    if status in {401, 403}:
        return f"refuses our API key ({status}); TUNELOOP_ARGILLA_API_KEY must be an owner's key"
    return f"answered {status}; its log says why (`tuneloop logs argilla`)"
