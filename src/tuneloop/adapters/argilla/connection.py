"""The connection to an Argilla 2.8 server: its REST API, and its failures as advice.

Its Python SDK is left out on purpose: it hides a response's id and time, and a dataset's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tuneloop.errors import ServiceError

Json = dict[str, Any]


def connect(url: str, api_key: str, timeout_seconds: float = 60) -> httpx.Client:
    """A client for paths under the server's `/api/v1/`, in the name of the key's owner."""
    return httpx.Client(
        base_url=f"{url.rstrip('/')}/api/v1/",
        headers={"X-Argilla-Api-Key": api_key},
        timeout=timeout_seconds,
        transport=httpx.HTTPTransport(retries=2),
    )


def items_at(http: httpx.Client, path: str, query: Mapping[str, str | int] | None = None) -> list[Json]:
    """The `items` of an answer of Argilla's API."""
    answer = http.get(path, params=query).raise_for_status().json()
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise ValueError(f"{path} holds no items")  # noqa: TRY004  # not our type: the answer of some other server
    items: list[Json] = answer["items"]
    return items


@contextmanager
def service(url: str) -> Iterator[None]:
    """Failures of the server as advice. The cause is left out on purpose: Argilla quotes the text that it refuses."""
    try:
        yield
        return
    except httpx.HTTPStatusError as error:
        advice = _advice(error.response.status_code)
    except httpx.HTTPError as error:
        advice = f"does not answer ({type(error).__name__}); start it with `tuneloop up`, or set TUNELOOP_ARGILLA_URL"
    except httpx.InvalidURL:
        advice = "has no address that can be called; set TUNELOOP_ARGILLA_URL to one such as http://127.0.0.1:6900"
    except ValueError as error:
        advice = f"gives no Argilla answers ({type(error).__name__}); is another server on this address?"
    raise ServiceError(f"Argilla at {url} {advice}")


def _advice(status: int) -> str:
    if status in {401, 403}:
        return f"refuses our API key ({status}); TUNELOOP_ARGILLA_API_KEY must be an owner's key"
    return f"answered {status}; its log says why (`tuneloop logs argilla`)"
