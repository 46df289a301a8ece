"""The environment that makes the upstream server local, private and quiet."""

import json
from pathlib import Path

from argilla_embedded.home import Home


def server_environment(home: Home, port: int, redis_url: str) -> dict[str, str]:
    """Variables to set before `argilla_server` is first imported; they win over what the shell had."""
    origins = [f"http://{host}:{port}" for host in ("127.0.0.1", "localhost")]
    return {
        "ARGILLA_HOME_PATH": str(home.path),
        "ARGILLA_DATABASE_URL": database_url(home.path),
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


def database_url(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder / 'argilla.db'}?check_same_thread=False"
