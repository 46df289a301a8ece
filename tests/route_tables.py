"""The routes that web applications really have, read from their route tables in a process of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ANY_ID = "00000000-0000-0000-0000-000000000000"
MLFLOW = "mlflow.server.fastapi_app:app"
PREFECT = "prefect.server.api.server:create_app"

_READING = """
import importlib, json, sys
module, _, name = sys.argv[1].partition(":")
app = getattr(importlib.import_module(module), name)
app = app() if name == "create_app" else app

def found(app, prefix):
    if hasattr(app, "url_map"):  # Flask
        yield from (("http", prefix + rule.rule) for rule in app.url_map.iter_rules())
    for route in getattr(app, "routes", None) or ():
        inner, path = getattr(route, "original_router", None), getattr(route, "path", "")
        if inner is not None:  # how FastAPI keeps an included router
            yield from found(inner, prefix + route.include_context.prefix)
        elif type(route).__name__ == "Mount":
            yield from found(route.app, prefix + path)
        elif path:
            yield "websocket" if "WebSocket" in type(route).__name__ else "http", prefix + path
    if hasattr(app, "app"):  # a mounted middleware
        yield from found(app.app, prefix)

print(json.dumps(sorted(set(found(app, "")))))
"""


class Paths(NamedTuple):
    """With an id that does not exist wherever a path has a variable."""

    http: list[str]
    websocket: list[str]


def paths_of(application: str, environment: Mapping[str, str], folder: Path) -> Paths:
    """The application is named `module:name`; `folder` becomes its home."""
    done = subprocess.run(
        [sys.executable, "-c", _READING, application],
        env={**os.environ, **environment, "HOME": str(folder)},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads(done.stdout.splitlines()[-1])
    return Paths(*(sorted({filled(path) for kind, path in rows if kind == wanted}) for wanted in Paths._fields))


def filled(path: str) -> str:
    return re.sub(r"<[^>]*>|{[^}]*}", ANY_ID, path)
