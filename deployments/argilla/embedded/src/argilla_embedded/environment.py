"""The environment that makes the upstream server local, private and quiet."""

import json
import os
import tempfile
from pathlib import Path

from argilla_embedded.home import Home


def prepare_import(home: Home, port: int, redis_url: str, database_url: str | None) -> None:
    """Call this before `argilla_server` is first imported: it reads the environment at that moment.

    Without `database_url` the rows are kept in the home, in SQLite.
    """
    os.environ.update(server_environment(home, port, redis_url, database_url))
    tempfile.tempdir = None  # forget the folder found before TMPDIR was set


def server_environment(home: Home, port: int, redis_url: str, database_url: str | None) -> dict[str, str]:
    """Variables that win over what the shell had."""
    origins = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")]
    return {
        "ARGILLA_HOME_PATH": str(home.path),
        "ARGILLA_DATABASE_URL": database_url or sqlite_url(home.path),
        "ARGILLA_DATABASE_SQLITE_TIMEOUT": "30",
        "ARGILLA_REDIS_URL": redis_url,
        "ARGILLA_SEARCH_ENGINE": "sqlite",
        "ARGILLA_AUTH_SECRET_KEY": home.secret("auth"),
        # Upstream looks for .oauth.yaml in whatever folder it is started from.
        "ARGILLA_AUTH_OAUTH_CFG": str(home.path / "oauth.yaml"),
        "ARGILLA_CORS_ORIGINS": json.dumps(origins),
        "ARGILLA_ENABLE_SHARE_YOUR_PROGRESS": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(home.tmp),
    }


def sqlite_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'argilla.db'}?check_same_thread=False"
