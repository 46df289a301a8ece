"""What of the Prefect server is on: its API, behind the login, and its page, which asks for the login itself.

Off are its API documentation, whose pages load scripts from a public CDN, and the second version of the UI, which
contacts an analytics host.
"""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.stack.access_control import WEBSOCKET, Route, route

_OFF = "api|docs|redoc|openapi[.]json|v2"

PREFECT_ROUTES: Sequence[Route] = (
    route("GET", "/api/health", "/api/ready", public=True),
    route(WEBSOCKET, "/api/.+", public=True),  # asked for in the first message, see websocket_login
    route("GET POST PUT PATCH DELETE", "/api/.+", max_body_bytes=None),
    route("GET", f"/(?!(?:{_OFF})(?:/|$)).*", public=True),  # the page is the same file for all of its addresses
)
