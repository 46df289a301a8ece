"""Who may ask a web server for what: a login, and a list of the routes that are on. Everything else is off.

ASGI middleware in front of a whole application, so that it also holds for what upstream adds later. It decides on the
decoded path, the one that Starlette and Flask route by, and takes only paths that can be read in one way.
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WEBSOCKET = "<websocket>"
"""The method of a WebSocket handshake in a `Route`; no HTTP request can name it."""

POLICY_VIOLATION = 1008
MIB = 2**20
_AMBIGUOUS = re.compile(r"[^/]|.*(//|/\.{1,2}(/|$)|[%;\\\x00-\x1f\x7f])", re.DOTALL)
"""No leading slash, empty and dotted segments, a second layer of encoding, path parameters, control characters."""
_SINGLE = ("authorization", "origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "host", "content-length")
"""Headers that decide something; two of them could be read differently by us and by the application."""
_LONGEST_LOGGED_PATH = 200

log = logging.getLogger("tuneloop.access")


@dataclass(frozen=True, slots=True)
class Route:
    """Methods on the paths that `path` matches as a whole. GET includes HEAD.

    `public` needs no login and takes no body. `max_body_bytes` None: as large as it comes.
    """

    methods: frozenset[str]
    path: re.Pattern[str]
    public: bool = False
    max_body_bytes: int | None = 4 * MIB

    def is_for(self, method: str, path: str) -> bool:
        wanted = "GET" if method == "HEAD" else method
        return wanted in self.methods and self.path.fullmatch(path) is not None


def route(methods: str, *paths: str, public: bool = False, max_body_bytes: int | None = 4 * MIB) -> Route:
    """Blank-separated methods, regular expressions of paths."""
    return Route(frozenset(methods.split()), re.compile("|".join(paths)), public, max_body_bytes)


class AccessControl:
    """The middleware.

    Args:
        app: the application behind it.
        login: `user:password`.
        routes: what is on; of several that match, the first counts.
        origins: the addresses of the application's own pages. No other page may use the login that a browser remembers.
        asks_in_browser: whether a browser is to show its own login window.
    """

    def __init__(
        self, app: Application, *, login: str, routes: Sequence[Route], origins: Collection[str], asks_in_browser: bool
    ) -> None:
        user, _, password = login.partition(":")
        if not (user and password):
            raise ValueError("a login is `user:password`")
        self._app = app
        self._credentials = base64.b64encode(login.encode())
        self._routes = tuple(routes)
        self._origins = frozenset(origins)
        self._challenge = {"www-authenticate": 'Basic realm="tuneloop", charset="UTF-8"'} if asks_in_browser else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        if refusal != HTTPStatus.NOT_FOUND:  # MLflow's own pages ask for what is off, every few seconds
            log.warning("refused %s %r: %d", _method(scope), scope["path"][:_LONGEST_LOGGED_PATH], refusal)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        else:
            await _answer(send, refusal, self._challenge if refusal == HTTPStatus.UNAUTHORIZED else {})

    def _refusal(self, scope: Scope) -> HTTPStatus | None:
        """The status to refuse the request with; None lets it through."""
        headers = _single_headers(scope["headers"])
        if headers is None:
            return HTTPStatus.BAD_REQUEST
        method = _method(scope)
        found = self._route(method, scope["path"])
        if found is not None and found.public:
            return _size_refusal(0, headers)
        if self._comes_from_elsewhere(method, headers):
            return HTTPStatus.FORBIDDEN
        if not self._is_logged_in(headers):
            return HTTPStatus.UNAUTHORIZED
        if found is None:
            return HTTPStatus.NOT_FOUND
        return _size_refusal(found.max_body_bytes, headers)

    def _route(self, method: str, path: str) -> Route | None:
        if _AMBIGUOUS.match(path):
            return None
        return next((r for r in self._routes if r.is_for(method, path)), None)

    def _is_logged_in(self, headers: Mapping[str, str]) -> bool:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(credentials.strip().encode(), self._credentials)

    def _comes_from_elsewhere(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether the page of another site, or of another port of this machine, has sent the browser here.

        Following a link is allowed: it shows the person a page, and tells nothing to the page with the link.
        """
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return True
        if headers.get("sec-fetch-site", "none") in {"none", "same-origin"}:
            return False
        followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return not (followed and method in {"GET", "HEAD"})


def _method(scope: Scope) -> str:
    return WEBSOCKET if scope["type"] == "websocket" else str(scope["method"])


def _single_headers(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str] | None:
    """Names in lower case; None where one that decides something is there twice."""
    found: dict[str, str] = {}
    for raw_name, value in headers:
        name = raw_name.decode("latin-1").lower()
        if name in found and name in _SINGLE:
            return None
        found[name] = value.decode("latin-1")
    return found


def _size_refusal(max_body_bytes: int | None, headers: Mapping[str, str]) -> HTTPStatus | None:
    if max_body_bytes is None:
        return None
    if "transfer-encoding" in headers:
        return HTTPStatus.LENGTH_REQUIRED
    length = headers.get("content-length", "0")
    too_large = not length.isdecimal() or int(length) > max_body_bytes
    return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if too_large else None


async def _answer(send: Send, status: HTTPStatus, headers: Mapping[str, str]) -> None:
    """The body says no more than the status: what exists here is not a stranger's business."""
    body = f"{status.value} {status.phrase}\n".encode()
    every = {"content-type": "text/plain", "content-length": str(len(body)), "cache-control": "no-store", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in every.items()]
    await send({"type": "http.response.start", "status": status.value, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
