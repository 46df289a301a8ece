"""Prefect's WebSockets ask for the login in their first message. Here it is asked for before Prefect hears of them.

Prefect counts an open connection against its hundred requests at a time and waits for the first message as long as it
takes: a hundred silent strangers would stop the server for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json

from tuneloop.stack.access_control import POLICY_VIOLATION, Application, Message, Receive, Scope, Send

PROTOCOL = "prefect"
WAIT_SECONDS = 10.0
LONGEST_MESSAGE = 4096


class WebsocketLogin:
    """Lets WebSockets through whose first message is `{"type": "auth", "token": login}`; other requests as they are."""

    def __init__(self, app: Application, *, login: str, wait_seconds: float = WAIT_SECONDS) -> None:
        self._app = app
        self._login = login
        self._wait_seconds = wait_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        connecting = await receive()
        if PROTOCOL not in scope.get("subprotocols", ()):
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL})
        first = await self._first_message(receive)
        if first is None:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif first["type"] == "websocket.receive":
            await self._app(scope, _receiving_again([connecting, first], receive), _accepted_already(send))

    async def _first_message(self, receive: Receive) -> Message | None:
        """The login or a disconnection; None for anything else, and for silence."""
        message = None
        with contextlib.suppress(TimeoutError):
            message = await asyncio.wait_for(receive(), self._wait_seconds)
        if message is None or message["type"] == "websocket.disconnect":
            return message
        return message if self._is_login(message.get("text") or "") else None

    def _is_login(self, text: str) -> bool:
        if len(text) > LONGEST_MESSAGE:
            return False
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return False
        if not isinstance(message, dict) or message.get("type") != "auth":
            return False
        token = message.get("token")
        return isinstance(token, str) and hmac.compare_digest(token.encode(errors="replace"), self._login.encode())


def _receiving_again(messages: list[Message], receive: Receive) -> Receive:
    async def receiving() -> Message:
        return messages.pop(0) if messages else await receive()

    return receiving


def _accepted_already(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] != "websocket.accept":
            await send(message)

    return sending
