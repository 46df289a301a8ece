"""The stack's Prefect server, behind our own check of its login: `python -m tuneloop.cli.prefect_server`.

Its settings stand in its environment, see `stack.environment.prefect_server_environment`. The application is named by a
string, as on a command line: this library imports no Prefect.
"""

from __future__ import annotations

import logging
import os

import uvicorn
from uvicorn.importer import import_from_string

from tuneloop.stack.access_control import AccessControl
from tuneloop.stack.local_ports import HOST
from tuneloop.stack.routes import PREFECT_ROUTES
from tuneloop.stack.websocket_login import WebsocketLogin

APPLICATION = "prefect.server.api.server:create_app"
KEEP_ALIVE_SECONDS = 5
"""As in `prefect server start`."""


def main() -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    login, port = os.environ["PREFECT_SERVER_API_AUTH_STRING"], int(os.environ["PREFECT_SERVER_API_PORT"])
    application = AccessControl(
        WebsocketLogin(import_from_string(APPLICATION)(final=True), login=login),
        login=login,
        routes=PREFECT_ROUTES,
        origins=[f"http://{HOST}:{port}"],
        asks_in_browser=False,  # its page has a login window of its own
    )
    uvicorn.run(
        application,
        host=HOST,
        port=port,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        log_level="warning",
        proxy_headers=False,  # there is no proxy, and everyone on this machine could play one
    )


if __name__ == "__main__":
    main()
