"""What the listener admits, what it refuses, and what it passes on. No socket: the application is called directly."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook
from starlette.testclient import TestClient

from tuneloop.adapters.answer_listener import (
    LARGEST_BODY,
    REMEMBERED_SECONDS,
    AnswerBursts,
    WebhookGuard,
    WebhookRefused,
    listener,
    review_set_in,
)
from tuneloop.errors import ServiceError

SECRET = base64.b64encode(b"s" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()
TEXT = "my card number is 4111"


def message(kind="response.created", review_set="desk-round-1"):
    record = {"fields": {"prompt": TEXT}, "dataset": {"name": review_set}}
    return {"type": kind, "version": 1, "data": record if kind.startswith("record.") else {"record": record}}


def signed(content, *, secret=SECRET, message_id="msg_1", at=None):
    body = content if isinstance(content, str) else json.dumps(content)
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign(message_id, at, body)
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}
    return {"content": body, "headers": headers}


class Ears:
    """The application with what it has told."""

    def __init__(self, secret=SECRET, fails=0, **options):
        self.told, self.fails, self.bursts = [], fails, AnswerBursts(settle_seconds=0, spacing_seconds=0)
        known = {"desk-round-1": "desk", "faq-round-2": "faq"}
        self.app = listener(
            WebhookGuard(lambda: secret), recipe_of=known.get, tell=self.tell, bursts=self.bursts, **options
        )

    def tell(self, recipe, answers):
        if self.fails:
            self.fails -= 1
            raise ServiceError("away")
        self.told.append((recipe, answers))

    def waiting(self):
        return self.bursts.due(time.monotonic() + 1)


@pytest.mark.parametrize("kind", ["response.created", "response.updated", "record.completed"])
def test_an_answer_is_noted_for_the_recipe_of_its_set(kind):
    ears = Ears()
    assert TestClient(ears.app).post("/argilla", **signed(message(kind))).status_code == 204
    assert ears.waiting() == {"desk": 1}


@pytest.mark.parametrize(
    "content",
    [message("record.created"), message(review_set="not-ours"), {"type": "response.created"}, [], "null", "7"],
)
def test_what_tells_of_no_answer_of_ours_is_taken_and_forgotten(content):
    ears = Ears()
    assert TestClient(ears.app).post("/argilla", **signed(content)).status_code == 204
    assert ears.waiting() == {}


def with_signature(signature):
    request = signed(message())
    return {**request, "headers": {**request["headers"], "webhook-signature": signature}}


@pytest.mark.parametrize(
    ("status", "make"),
    [
        (401, lambda: signed(message(), secret=OTHER)),
        (401, lambda: signed(message(), at=datetime.now(UTC) - timedelta(minutes=6))),
        (401, lambda: signed(message(), at=datetime.now(UTC) + timedelta(minutes=6))),
        (401, lambda: {"content": json.dumps(message())}),
        (401, lambda: signed(message()) | {"content": json.dumps(message("record.completed"))}),
        (400, lambda: with_signature("nonsense")),
        (400, lambda: with_signature("v1,é".encode())),
        (400, lambda: signed("{not json")),
        (413, lambda: {"content": b"x" * (LARGEST_BODY + 1)}),
    ],
)
def test_what_is_not_genuine_is_refused_and_noted_nowhere(status, make):
    # Made here, not when tests are collected: that may be minutes ago, which is as long as a signature is good for.
    ears = Ears()
    assert TestClient(ears.app).post("/argilla", **make()).status_code == status
    assert ears.waiting() == {}


def test_a_message_that_never_ends_is_given_up():
    answers = []

    async def half_a_message():
        if answers or not parts:
            await asyncio.sleep(3600)
        return parts.pop()

    async def send(message):
        answers.append(message)

    parts = [{"type": "http.request", "body": b"{", "more_body": True}]
    scope = {"type": "http", "method": "POST", "path": "/argilla", "headers": [], "query_string": b""}
    asyncio.run(Ears(body_seconds=0.01).app(scope, half_a_message, send))
    assert answers[0]["status"] == 408


def test_a_replayed_message_is_refused():
    ears = Ears()
    client, request = TestClient(ears.app), signed(message())
    assert [client.post("/argilla", **request).status_code for _ in range(2)] == [204, 409]
    assert ears.waiting() == {"desk": 1}


def test_message_ids_are_forgotten_once_their_signature_is_too_old():
    now = [0.0]
    guard = WebhookGuard(lambda: SECRET, clock=lambda: now[0])
    request = signed(message())
    guard.admit(request["content"].encode(), request["headers"])
    now[0] = REMEMBERED_SECONDS + 1
    assert guard.admit(request["content"].encode(), request["headers"])
    assert len(guard._seen) == 1


def test_before_argilla_has_given_us_a_secret_nothing_is_admitted():
    assert TestClient(Ears(secret="").app).post("/argilla", **signed(message())).status_code == 503


@given(
    st.binary(max_size=200),
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text(max_size=40)),
)
def test_no_message_breaks_the_guard(body, headers):
    with pytest.raises(WebhookRefused):
        WebhookGuard(lambda: SECRET).admit(body, headers)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["type", "data", "record", "dataset", "name"]), inner)
        ),
    )
)
def test_no_shape_of_message_breaks_the_reading(content):
    assert review_set_in(content) is None or isinstance(review_set_in(content), str)


def test_news_are_told_once_and_again_when_nobody_listened(caplog):
    ears = Ears(fails=1)
    ears.bursts.failed = lambda recipe, now: None  # due again at once
    with TestClient(ears.app) as client, caplog.at_level("INFO"):
        for number in range(5):
            client.post("/argilla", **signed(message(), message_id=f"m{number}"))
        deadline = time.monotonic() + 20
        while not ears.told and time.monotonic() < deadline:
            time.sleep(0.05)
    assert sum(answers for _, answers in ears.told) == 5
    assert TEXT not in caplog.text


def test_health_is_answered():
    assert TestClient(Ears().app).get("/health").status_code == 200
