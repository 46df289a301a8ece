"""How long a task waits for a server that was killed; the stack brings it back within a minute, when busy two."""

from __future__ import annotations

RETRIES = 5
PAUSES_SECONDS = [3.0, 7.0, 15.0, 30.0, 60.0]
