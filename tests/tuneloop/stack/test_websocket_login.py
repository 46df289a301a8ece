from __future__ import annotations

import asyncio
import json

import pytest

from tuneloop.stack.websocket_login import WebsocketLogin

LOGIN = "tuneloop:a-secret"
CONNECTING = {"type": "websocket.connect"}


def said(text):
    return {"type": "websocket.receive", "text": text}


GREETING = said(json.dumps({"type": "auth", "token": LOGIN}))


def connect(*messages, protocols=("prefect",), wait_seconds=5.0):
    """What the application behind received and what the client was sent, after the client said these messages."""
    received, sent, waiting = [], [], [CONNECTING, *messages]

    async def application(scope, receive, send):
        received.extend([await receive(), await receive()])
        await send({"type": "websocket.accept", "subprotocol": "prefect"})
        await send({"type": "websocket.send", "text": "welcome"})

    async def receive():
        if not waiting:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    app = WebsocketLogin(application, login=LOGIN, wait_seconds=wait_seconds)
    asyncio.run(app({"type": "websocket", "subprotocols": list(protocols)}, receive, send))
    return received, sent


REFUSED = ([], [{"type": "websocket.accept", "subprotocol": "prefect"}, {"type": "websocket.close", "code": 1008}])


def test_after_the_login_the_application_sees_the_connection_from_its_beginning():
    received, sent = connect(GREETING)
    assert received == [CONNECTING, GREETING]
    accepted, welcome = sent
    assert accepted == {"type": "websocket.accept", "subprotocol": "prefect"}, "accepted once"
    assert welcome["text"] == "welcome"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"auth"',
        "[" * 4000,
        '{"type": "auth"}',
        '{"type": "auth", "token": null}',
        '{"type": "auth", "token": ""}',
        '{"type": "auth", "token": "tuneloop:wrong"}',
        '{"type": "auth", "token": "\\ud800"}',
        '{"type": "filter", "token": "tuneloop:a-secret"}',
        json.dumps({"type": "auth", "token": LOGIN, "more": "x" * 5000}),
    ],
)
def test_any_other_first_message_ends_the_connection_before_the_application_hears_of_it(text):
    assert connect(said(text)) == REFUSED
    assert connect({"type": "websocket.receive", "bytes": text.encode(), "text": None}) == REFUSED


def test_silence_ends_the_connection():
    assert connect(wait_seconds=0.01) == REFUSED


def test_without_prefects_protocol_there_is_no_connection():
    assert connect(GREETING, protocols=()) == ([], [{"type": "websocket.close", "code": 1008}])


def test_a_client_that_goes_away_is_forgotten():
    received, sent = connect({"type": "websocket.disconnect"})
    assert (received, [message["type"] for message in sent]) == ([], ["websocket.accept"])


def test_other_requests_pass_untouched():
    reached = []

    async def application(scope, receive, send):
        reached.append((scope["type"], receive, send))

    asyncio.run(WebsocketLogin(application, login=LOGIN)({"type": "http"}, "receive", "send"))
    assert reached == [("http", "receive", "send")]
