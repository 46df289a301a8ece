"""A small web server that hears of answers in Argilla and tells Prefect, once per burst. It keeps no text.

What it has heard is held in memory: if it dies, the hourly sweep finds the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tuneloop.adapters.answer_bursts import AnswerBursts
from tuneloop.adapters.webhook_messages import WebhookGuard, WebhookRefused, review_set_in
from tuneloop.errors import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request

PATH = "/argilla"
HEALTH = "/health"
LARGEST_BODY = 4 * 2**20
"""A record comes whole in each message."""
MOST_CONNECTIONS = 64
"""A signature is over the whole body, so bodies of strangers are held in memory too: 256 MiB of them at most."""
BODY_SECONDS = 10.0
LOOK_EVERY_SECONDS = 0.5

log = logging.getLogger("tuneloop.webhooks")


def listener(
    guard: WebhookGuard,
    *,
    recipe_of: Callable[[str], str | None],
    tell: Callable[[str, int], None],
    bursts: AnswerBursts,
    clock: Callable[[], float] = time.monotonic,
    body_seconds: float = BODY_SECONDS,
) -> Starlette:
    """The web application.

    Args:
        guard: lets genuine messages through.
        recipe_of: name of the recipe that published a review set, None for somebody else's.
        tell: passes the news on: recipe, number of answers; raises ServiceError when nobody listens.
        bursts: what nobody has been told of.
        clock: seconds.
        body_seconds: how long a message may take to arrive.
    """

    async def receive(request: Request) -> Response:
        try:
            async with asyncio.timeout(body_seconds):
                body = await _body_of(request)
            message = guard.admit(body, {name.lower(): value for name, value in request.headers.items()})
        except TimeoutError:
            return PlainTextResponse("the message did not come whole in time", 408)
        except WebhookRefused as refusal:
            log.warning("refused a webhook: %s", refusal)
            return PlainTextResponse(str(refusal), refusal.status)
        review_set = review_set_in(message)
        recipe = recipe_of(review_set) if review_set else None
        if recipe is not None:
            bursts.add(recipe, clock())
        return Response(status_code=204)

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    @contextlib.asynccontextmanager
    async def telling(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(_keep_telling(bursts, tell, clock))
        try:
            yield
        finally:
            task.cancel()

    routes = [Route(PATH, receive, methods=["POST"]), Route(HEALTH, health)]
    return Starlette(routes=routes, lifespan=telling)


async def _body_of(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_BODY:
            raise WebhookRefused(413, "the message is too large")
        parts.append(part)
    return b"".join(parts)


async def _keep_telling(bursts: AnswerBursts, tell: Callable[[str, int], None], clock: Callable[[], float]) -> None:
    while True:
        for recipe, answers in bursts.due(clock()).items():
            try:
                await run_in_threadpool(tell, recipe, answers)
            except ServiceError as error:
                log.warning("answers for %s could not be announced, next try soon: %s", recipe, error)
                bursts.failed(recipe, clock())
            else:
                log.info("announced %d answers for %s", answers, recipe)
                bursts.told(recipe, answers, clock())
        await asyncio.sleep(LOOK_EVERY_SECONDS)
