"""Connections that must say what they want: one that trickles its headers in, or says nothing, is closed.

Uvicorn counts the seconds between requests only, and its faster parser reads headers of any length.
"""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_SECONDS = 20


class PunctualProtocol(H11Protocol):
    """One HTTP connection. h11 refuses headers longer than uvicorn's `h11_max_incomplete_event_size`."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_request()

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        self._expect_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_request(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEADERS_SECONDS, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
