"""The door before Argilla: who may come in, and with how much. Nothing behind it parses what a stranger sent.

Upstream reads and parses a body before it asks whose it is, and leaves it to each handler to ask at all.
"""

import json
from http import HTTPStatus

from argilla_server import database
from argilla_server.constants import API_KEY_HEADER_NAME
from argilla_server.contexts import accounts
from argilla_server.models import User
from argilla_server.security.authentication.provider import AuthenticationProvider
from argilla_server.security.authentication.userinfo import UserInfo
from fastapi import Request
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.types import ASGIApp, Receive, Scope, Send

from argilla_embedded import limits
from argilla_embedded.credentials import user_of_session

# What the log-in page and a health check need. Whatever else an upgrade of upstream's adds is closed.
OPEN_TO_ALL = {
    ("GET", "/api/v1/status"),
    ("GET", "/api/v1/version"),
    ("GET", "/api/v1/settings"),
    ("GET", "/api/v1/oauth2/providers"),
    ("POST", "/api/v1/token"),
}
_USER = "argilla_embedded.username"
_API_KEY = API_KEY_HEADER_NAME.lower().encode()


class Door:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        AuthenticationProvider.backends = [_AsTheDoorSaw()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            inside, body = await _admit(scope, receive)
        except limits.RefusedError as refusal:
            await _refuse(send, refusal)
            return
        if body is not None:
            await self._app(inside, limits.replayed(body, receive), send)


async def _admit(scope: Scope, receive: Receive) -> tuple[Scope, bytes | None]:
    headers = limits.plain_headers(scope["headers"])
    allowance, username = limits.STRANGER, None
    if scope["path"].startswith("/api") and (scope["method"], scope["path"]) not in OPEN_TO_ALL:
        user = await _user(dict(headers))
        if user is None:
            raise limits.RefusedError(HTTPStatus.UNAUTHORIZED, "log in first, or send an API key")
        allowance, username = limits.ANNOTATOR if user.is_annotator else limits.EDITOR, user.username
    body = await limits.read_body(receive, headers, allowance)
    return {**scope, "headers": headers, _USER: username}, body


async def _user(headers: dict[bytes, bytes]) -> User | None:
    """Whose API key or session it is, as upstream would look for them."""
    api_key = headers.get(_API_KEY, b"").decode("latin-1")
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    is_session = scheme.lower() == "bearer" and bool(token)
    if not api_key and not is_session:
        return None
    async with database.AsyncSessionLocal() as db:
        user = await accounts.get_user_by_api_key(db, api_key) if api_key else None
        if user is None and is_session:
            user = await user_of_session(db, token.strip())
        return user


class _AsTheDoorSaw(AuthenticationBackend):
    """Upstream's handlers believe the door, and do not look for the key or the session a second time."""

    async def authenticate(self, conn: Request) -> tuple[AuthCredentials, BaseUser] | None:  # type: ignore[override]
        username = conn.scope.get(_USER)
        return (AuthCredentials(), UserInfo(username=username)) if username else None


async def _refuse(send: Send, refusal: limits.RefusedError) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]  # the rest of the body is not read
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": refusal.detail}).encode()})
