"""Listen to Argilla's webhooks and start a collection once a burst of answers has ended."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tuneloop.errors import ServiceError

if TYPE_CHECKING:
    from starlette.requests import Request


# Signatures follow https://www.standardwebhooks.com: HMAC-SHA256 over id, time and body; times may be 5 minutes off.


ANSWER_EVENTS = ("response.created", "response.updated", "record.completed")
REMEMBERED_SECONDS = 660.0
"""Longer than a signature is valid: 5 minutes before its time to 5 minutes after."""


class WebhookRefused(Exception):  # noqa: N818 (what happened)
    """`status` is the HTTP status; the text says why, and quotes nothing of the message."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class WebhookGuard:
    """Lets each genuine message through once.

    `secret` is asked for every time, since the server may be given another one; "" while there is none.
    """

    def __init__(self, secret: Callable[[], str], clock: Callable[[], float] = time.monotonic) -> None:
        self._secret = secret
        self._clock = clock
        self._seen: dict[str, float] = {}

    def admit(self, body: bytes, headers: Mapping[str, str]) -> Any:
        """The message.

        Raises:
            WebhookRefused: not signed with our secret, too old, broken, or seen before.
        """
        try:
            message = Webhook(self._secret()).verify(body, dict(headers))
        except EmptyWebhookSecretError:
            raise WebhookRefused(503, "no webhook is registered yet: run `tuneloop up`") from None
        except WebhookVerificationError as error:
            raise WebhookRefused(401, str(error)) from None
        except ValueError:  # a signature or body that is not even shaped like one
            raise WebhookRefused(400, "not a signed message") from None
        self._remember(headers["webhook-id"])
        return message

    def _remember(self, message_id: str) -> None:
        now = self._clock()
        self._seen = {known: seen for known, seen in self._seen.items() if now - seen < REMEMBERED_SECONDS}
        if message_id in self._seen:
            raise WebhookRefused(409, "this message was received before")
        self._seen[message_id] = now


def review_set_in(message: Any) -> str | None:
    """Name of the data set in which somebody has answered; None where the message tells of anything else."""
    if not isinstance(message, dict) or message.get("type") not in ANSWER_EVENTS:
        return None
    data = message.get("data")
    record = data.get("record", data) if isinstance(data, dict) else None
    dataset = record.get("dataset") if isinstance(record, dict) else None
    name = dataset.get("name") if isinstance(dataset, dict) else None
    return name if isinstance(name, str) else None


SETTLE_SECONDS = 3.0
"""From the first answer to the news of it, so that a person who submits quickly makes one piece of news."""
SPACING_SECONDS = 120.0
"""Between two pieces of news of one recipe: each starts a process, and nobody needs the answers faster."""
RETRY_SECONDS = 10.0


@dataclass
class AnswerBursts:
    """Which recipes have answers that nobody has been told of. Times are seconds on a clock that only goes forward."""

    settle_seconds: float = SETTLE_SECONDS
    spacing_seconds: float = SPACING_SECONDS
    _waiting: dict[str, int] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    _told: dict[str, float] = field(default_factory=dict)

    def add(self, recipe: str, now: float) -> None:
        """Somebody has answered."""
        self._waiting[recipe] = self._waiting.get(recipe, 0) + 1
        if recipe not in self._due:
            last = self._told.get(recipe)
            after_last = now if last is None else last + self.spacing_seconds
            self._due[recipe] = max(now + self.settle_seconds, after_last)

    def due(self, now: float) -> dict[str, int]:
        """Recipe -> answers that are to be told of now."""
        return {recipe: self._waiting[recipe] for recipe, time in self._due.items() if time <= now}

    def told(self, recipe: str, answers: int, now: float) -> None:
        """So many answers have been told of; what came meanwhile is told later."""
        self._told[recipe] = now
        del self._due[recipe]
        rest = self._waiting.pop(recipe) - answers
        if rest > 0:
            self.add(recipe, now)
            self._waiting[recipe] = rest

    def failed(self, recipe: str, now: float) -> None:
        """Nobody listened; it is due again in a while."""
        self._due[recipe] = now + RETRY_SECONDS


# What it has heard is held in memory: if it dies, the hourly sweep finds the answers.


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
