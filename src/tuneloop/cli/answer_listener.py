"""The stack's service that hears of answers: `python -m tuneloop.cli.answer_listener --port N`."""

from __future__ import annotations

import argparse
import logging

import uvicorn

from tuneloop.adapters.answer_listener import MOST_CONNECTIONS, AnswerBursts, WebhookGuard, listener
from tuneloop.adapters.review_events import announce_answers
from tuneloop.cli.wiring import layout_of, prefect_api
from tuneloop.registry.known_rounds import known_recipes, recipe_of
from tuneloop.settings import Settings
from tuneloop.stack.local_ports import HOST
from tuneloop.stack.state import load_state


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    port = arguments.parse_args().port
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = Settings()
    state_file = layout_of(settings).state_file

    def secret() -> str:
        state = load_state(state_file)  # at each message: `tuneloop up` may just have registered us anew
        return state.webhook_secret if state else ""

    application = listener(
        WebhookGuard(secret),
        recipe_of=lambda review_set: recipe_of(review_set, known_recipes(settings.workspace_path)),
        tell=lambda recipe, answers: announce_answers(prefect_api(settings), settings.workspace_path, recipe, answers),
        bursts=AnswerBursts(),
    )
    uvicorn.run(
        application,
        host=HOST,
        port=port,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
    )


if __name__ == "__main__":
    main()
