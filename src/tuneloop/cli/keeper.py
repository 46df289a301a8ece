"""The stack's service that looks after the others: `python -m tuneloop.cli.keeper`."""

from __future__ import annotations

import http.client
import time
from functools import cache

from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.cli.wiring import layout_of
from tuneloop.settings import Settings
from tuneloop.stack.keeper import Keeper

LOOK_EVERY_SECONDS = 3.0
ANSWER_SECONDS = 10.0


def main() -> None:
    layout = layout_of(Settings())

    def say(text: str) -> None:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}", flush=True)

    @cache
    def server(url: str, auth: str) -> PrefectApi:
        return PrefectApi(url, auth, timeout_seconds=ANSWER_SECONDS)

    keeper = Keeper(layout, server, say)
    while True:
        try:
            keeper.look()
        except (ConnectionError, FileNotFoundError, http.client.HTTPException):
            # Without supervisor it could restart nothing, and it would end what is an orphan only by that.
            raise SystemExit("supervisor is gone: `tuneloop up` mends that") from None
        time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    main()
