"""The stack's MLflow server, behind its login: `python -m tuneloop.cli.mlflow_server --port N --home FOLDER`.

Everything else it needs to know stands in its environment, see `stack.environment.mlflow_environment`.
"""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path
from typing import Any

import uvicorn

from tuneloop.stack.access_control import AccessControl
from tuneloop.stack.environment import MLFLOW_LOGIN
from tuneloop.stack.local_ports import HOST
from tuneloop.stack.routes import MLFLOW_ROUTES

GRACE_SECONDS = 3


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--home", type=Path, required=True, help="what MLflow keeps besides runs and models goes here")
    arguments = parser.parse_args()
    os.environ["HOME"] = str(arguments.home)  # MLflow keeps settings in ~/.mlflow, and imports read them
    application = AccessControl(
        mlflow_application(),
        login=os.environ.pop(MLFLOW_LOGIN),  # no child process inherits it
        routes=MLFLOW_ROUTES,
        origins=[f"http://{name}:{arguments.port}" for name in (HOST, "localhost")],
        asks_in_browser=True,
    )
    uvicorn.run(
        application,
        host=HOST,
        port=arguments.port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,  # there is no proxy, and everyone on this machine could play one
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def mlflow_application() -> Any:
    """MLflow's own application, its database brought up to date. The environment says where that is."""
    from mlflow.server.constants import ARTIFACT_ROOT_ENV_VAR, BACKEND_STORE_URI_ENV_VAR
    from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    store = os.environ[BACKEND_STORE_URI_ENV_VAR]
    initialize_backend_stores(store, store, os.environ[ARTIFACT_ROOT_ENV_VAR])
    return app


if __name__ == "__main__":
    main()
