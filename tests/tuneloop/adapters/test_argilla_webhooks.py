"""Registering with Argilla, against a small server that keeps webhooks as Argilla does."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from tuneloop.adapters.answer_listener import ANSWER_EVENTS
from tuneloop.adapters.argilla.webhooks import DESCRIPTION, ensure_webhook
from tuneloop.errors import ServiceError

ADDRESS = "http://127.0.0.1:20005/argilla"


class FakeArgilla(BaseHTTPRequestHandler):
    hooks: ClassVar[list[dict]] = []
    writes = 0

    def do_GET(self):
        self.answer(200, {"items": self.hooks})

    def do_POST(self):
        self.change()
        if len(self.hooks) == 10:
            return self.answer(422, {"detail": "You can't create more than 10 webhooks"})
        hook = {"id": str(len(self.hooks)), "secret": f"secret-{len(self.hooks)}", "enabled": True} | self.body()
        self.hooks.append(hook)
        return self.answer(201, hook)

    def do_PATCH(self):
        self.change()
        hook = next(h for h in self.hooks if self.path.endswith(f"/{h['id']}"))
        hook |= self.body()
        self.answer(200, hook)

    def do_DELETE(self):
        self.change()
        self.hooks[:] = [h for h in self.hooks if not self.path.endswith(f"/{h['id']}")]
        self.answer(200, {})

    def change(self):
        type(self).writes += 1

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status, content):
        status = status if self.headers["X-Argilla-Api-Key"] == "key" else 401
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    FakeArgilla.hooks, FakeArgilla.writes = [], 0
    with ThreadingHTTPServer(("127.0.0.1", 0), FakeArgilla) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_registering_again_changes_nothing_and_gives_the_same_secret(server):
    assert ensure_webhook(server, "key", ADDRESS) == ensure_webhook(server, "key", ADDRESS) == "secret-0"
    assert FakeArgilla.writes == 1
    assert FakeArgilla.hooks[0]["events"] == list(ANSWER_EVENTS)


def test_a_new_address_replaces_the_old_one_and_a_switched_off_hook_is_switched_on(server):
    ensure_webhook(server, "key", "http://127.0.0.1:1/argilla")
    FakeArgilla.hooks[0]["enabled"] = False
    ensure_webhook(server, "key", ADDRESS)
    assert [(h["url"], h["enabled"]) for h in FakeArgilla.hooks] == [(ADDRESS, True)]


def test_doubles_of_ours_go_and_other_peoples_hooks_stay(server):
    other = {
        "id": "7",
        "url": "http://elsewhere",
        "events": ["record.created"],
        "description": "theirs",
        "enabled": True,
    }
    ours = {"url": ADDRESS, "events": list(ANSWER_EVENTS), "description": DESCRIPTION, "enabled": True, "secret": "s"}
    FakeArgilla.hooks = [other, ours | {"id": "8"}, ours | {"id": "9"}]
    ensure_webhook(server, "key", ADDRESS)
    assert [h["id"] for h in FakeArgilla.hooks] == ["7", "8"]


def test_a_server_that_refuses_or_is_away_is_an_error_with_advice(server):
    with pytest.raises(ServiceError, match="API key"):
        ensure_webhook(server, "wrong", ADDRESS)
    with pytest.raises(ServiceError, match="does not answer"):
        ensure_webhook("http://127.0.0.1:1", "key", ADDRESS)
