"""Requests to the Prefect server: login, CSRF tokens, patience while it is busy, pages."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tuneloop.errors import ServiceError

TRIES = 5
BUSY = frozenset({429, 502, 503, 504})
"""SQLite behind the server answers 503 when several runs write at once; a moment later it works."""
PAGE = 200
Body = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class PrefectTransport:
    """`url` ends with /api; `auth` is the server's auth string (`user:password`), None for a server without login."""

    def __init__(
        self,
        url: str,
        auth: str | None,
        *,
        timeout_seconds: float,
        transport: httpx.BaseTransport | None,
        pause_seconds: float,
    ) -> None:
        user, _, password = (auth or "").partition(":")
        self._client = httpx.Client(
            base_url=url,
            auth=(user, password) if auth else None,
            timeout=timeout_seconds,
            trust_env=False,
            transport=transport,
        )
        self._csrf_client = str(uuid.uuid4())
        self._csrf_headers: dict[str, str] | None = None
        self._pause_seconds = pause_seconds

    def pages(self, path: str, body: Mapping[str, Any]) -> list[Any]:
        """All rows of a filter, however many."""
        rows: list[Any] = []
        while True:
            page = self.post(path, {**body, "offset": len(rows)})
            rows += page
            if len(page) < PAGE:
                return rows

    def get(self, path: str) -> Any | None:
        """The answer, None for 404; raises ServiceError for other refusals."""
        response = self._send("GET", path)
        return None if response.status_code == httpx.codes.NOT_FOUND else _json(response)

    def post(self, path: str, body: Body, *, accept: Sequence[int] = ()) -> Any:
        """The answer, None for the status codes in `accept`; raises ServiceError for other refusals."""
        response = self._send("POST", path, body)
        return None if response.status_code in accept else _json(response)

    def _send(self, method: str, path: str, body: Body | None = None) -> httpx.Response:
        """Send, and again while the server is busy or not reachable. All our POSTs may be repeated: they filter, or
        carry an idempotency key, or say that the thing exists already."""
        for attempt in range(1, TRIES + 1):
            try:
                response = self._client.request(method, path, json=body, headers=self._csrf(method))
            except httpx.TransportError as error:
                if attempt == TRIES or isinstance(error, httpx.ConnectError):
                    raise ServiceError(
                        f"the Prefect server at {self._client.base_url} does not answer ({error}): "
                        "see `tuneloop status`"
                    ) from error
            else:
                if response.status_code == httpx.codes.FORBIDDEN and attempt == 1:
                    self._csrf_headers = None  # the token has expired
                elif response.status_code not in BUSY or attempt == TRIES:
                    return response
            time.sleep(self._pause_seconds * attempt)
        raise AssertionError("unreachable")  # pragma: no cover

    def _csrf(self, method: str) -> dict[str, str]:
        """The headers that a server with CSRF protection asks for; none when it has none (it answers 422)."""
        if method == "GET":
            return {}
        if self._csrf_headers is None:
            response = self._client.get("/csrf-token", params={"client": self._csrf_client})
            token = response.json()["token"] if response.is_success else None
            self._csrf_headers = (
                {} if token is None else {"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": self._csrf_client}
            )
        return self._csrf_headers


def _json(response: httpx.Response) -> Any:
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise ServiceError("the Prefect server refuses our login: its auth string is not the one in stack.json")
    if response.is_error:
        asked = f"{response.request.method} {response.request.url.path}"
        raise ServiceError(f"Prefect answers {asked} with {response.status_code}: {response.text[:500]}")
    return response.json()
