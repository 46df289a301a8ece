"""Keeps the web page to itself: it asks nobody outside, nobody frames it, and what people read cannot run as a script.

Reviewers look at texts from models and from the public. A picture in such a text would tell its host who looked at it
and when, and a script would act with the reviewer's rights.
"""

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from argilla_server import database
from argilla_server.api.routes import api_v1
from argilla_server.models import Field
from fastapi import FastAPI
from sqlalchemy import select
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_FOREIGN_IMPORT = re.compile(r"@import url\(\"?https://[^)]*\);?")
# Swagger and ReDoc come from a public CDN; `/docs` and `/api` lead there.
_FOREIGN_PAGES = {"/docs", "/docs/oauth2-redirect", "/redoc", "/api", "/openapi.json"}
_DESCRIPTION = "/openapi.json"  # the API's own is for users
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_POLICY = (
    "default-src 'self'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; object-src 'self' data:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# A custom field is a template that the dataset's owner wrote, which runs as an inline script.
_CUSTOM_FIELD_SCRIPTS = "'unsafe-inline' 'unsafe-eval'"
# The page writes the whole record into that script as it is: a text with "</script>" in it could add one of its own.
_RECORD_IN_SCRIPT = "JSON.stringify(this.sdkRecord)"
_ESCAPED = """.replace(/[<$]/g,(function(sign){return"<"===sign?"\\\\u003c":"\\\\u0024"}))"""

Question = Callable[[], Awaitable[bool]]


def keep_private(app: FastAPI, guarded: ASGIApp) -> "PrivatePage":
    """Take foreign references out of the app's own copy of the web page, and send strict headers with every answer.

    `guarded` is the app with whatever stands before it.
    """
    _drop_routes(api_v1, _FOREIGN_PAGES - {_DESCRIPTION})
    _drop_routes(app, _FOREIGN_PAGES)
    folder = _static_folder(app)
    for sheet in folder.rglob("*.css"):
        drop_foreign_imports(sheet)
    for script in folder.rglob("*.js"):
        escape_records_in_scripts(script)
    return PrivatePage(guarded, inline_script_hashes(folder.glob("*.html")), has_custom_fields)


def _drop_routes(app: FastAPI, paths: set[str]) -> None:
    app.router.routes[:] = [route for route in app.routes if not (isinstance(route, Route) and route.path in paths)]


def _static_folder(app: FastAPI) -> Path:
    statics = next(route for route in app.routes if isinstance(route, Mount) and route.name == "static")
    return Path(statics.app.directory)  # type: ignore[attr-defined]


def drop_foreign_imports(sheet: Path) -> None:
    """Google's fonts; the page names system fonts to fall back on."""
    text = sheet.read_text()
    if _FOREIGN_IMPORT.search(text):
        sheet.write_text(_FOREIGN_IMPORT.sub("", text))


def escape_records_in_scripts(script: Path) -> None:
    text = script.read_text()
    if _RECORD_IN_SCRIPT in text:
        script.write_text(text.replace(_RECORD_IN_SCRIPT, _RECORD_IN_SCRIPT + _ESCAPED))


def inline_script_hashes(pages: Iterable[Path]) -> str:
    """What a policy must name for the pages' own inline scripts to run, and no others."""
    scripts = {script for page in pages for script in _INLINE_SCRIPT.findall(page.read_text())}
    digests = sorted(hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


async def has_custom_fields() -> bool:
    """Whether any dataset has a custom field."""
    async with database.AsyncSessionLocal() as db:
        kinds = await db.execute(select(Field.settings["type"].as_string()).distinct())
        return "custom" in kinds.scalars().all()


class PrivatePage:
    """ASGI middleware that adds the headers."""

    def __init__(self, app: ASGIApp, scripts: str, runs_custom_fields: Question) -> None:
        self._app = app
        self._scripts = scripts
        self._runs_custom_fields = runs_custom_fields

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers["Content-Security-Policy"] = await self._policy_for(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)

    async def _policy_for(self, headers: MutableHeaders) -> str:
        is_page = headers.get("content-type", "").startswith("text/html")
        scripts = _CUSTOM_FIELD_SCRIPTS if is_page and await self._runs_custom_fields() else self._scripts
        return _POLICY.format(scripts=scripts)
