"""Webhooks of Argilla: who sent it, whether it is new, and which review set it is about. Nothing else is looked at.

Signatures follow https://www.standardwebhooks.com: HMAC-SHA256 over id, time and body; times may be 5 minutes off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

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
