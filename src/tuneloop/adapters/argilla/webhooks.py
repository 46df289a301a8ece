"""Registering our listener with an Argilla server."""

from __future__ import annotations

from typing import Any

import httpx

from tuneloop.adapters.answer_listener import ANSWER_EVENTS
from tuneloop.adapters.argilla.connection import service

DESCRIPTION = "tuneloop: collect answers as they come"
"""How ours are told from other people's; a server has room for ten."""


def ensure_webhook(url: str, api_key: str, address: str) -> str:
    """Have the server send answers to `address`; returns the secret that it signs with. Safe to repeat.

    An older registration of ours is brought up to date, further ones are taken away.

    Raises:
        ServiceError: the server is not there, refuses us, or has ten webhooks already.
    """
    headers = {"X-Argilla-Api-Key": api_key}
    with service(url), httpx.Client(base_url=f"{url.rstrip('/')}/api/v1/", headers=headers, timeout=30) as http:
        found = http.get("webhooks").raise_for_status().json()["items"]
        ours = [hook for hook in found if hook["description"] == DESCRIPTION]
        for hook in ours[1:]:
            http.delete(f"webhooks/{hook['id']}").raise_for_status()
        wanted = {"url": address, "events": list(ANSWER_EVENTS)}
        if not ours:
            made: dict[str, Any] = (
                http.post("webhooks", json=wanted | {"description": DESCRIPTION}).raise_for_status().json()
            )
            return str(made["secret"])
        if any(ours[0][name] != value for name, value in wanted.items()) or not ours[0]["enabled"]:
            http.patch(f"webhooks/{ours[0]['id']}", json=wanted | {"enabled": True}).raise_for_status()
        return str(ours[0]["secret"])
