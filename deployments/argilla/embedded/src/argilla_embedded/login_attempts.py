"""How often somebody may try to log in.

Failures are counted by user name and by address. Counting alone would let a stranger keep a user out by failing in
their name without end, so a browser that has logged in before is known by a cookie and counted for itself; the cookie
opens nothing. API keys are not affected. Nothing is kept over a restart.
"""

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_PRUNE_ABOVE = 1000


@dataclass
class Allowances:
    """Each key has `burst` attempts, and gets one back every `seconds_each`."""

    burst: int
    seconds_each: float
    clock: Callable[[], float] = time.monotonic
    _full_at: dict[str, float] = field(default_factory=dict)  # when a key will have all its attempts again

    def take(self, key: str) -> float:
        """Take one attempt; the seconds to wait, 0 when there was one."""
        now = self.clock()
        full_at = max(self._full_at.get(key, now), now) + self.seconds_each
        wait = full_at - now - self.burst * self.seconds_each
        if wait > 0:
            return wait
        self._prune(now)
        self._full_at[key] = full_at
        return 0

    def give_back(self, key: str) -> None:
        """The attempt was no guess."""
        self._full_at[key] = self._full_at.get(key, 0) - self.seconds_each

    def _prune(self, now: float) -> None:
        if len(self._full_at) > _PRUNE_ABOVE:
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}


@dataclass
class Attempts:
    """Who may try now. The address is the one of the connection: what a client may write itself is none."""

    secret: str = field(repr=False)
    by_name: Allowances = field(default_factory=lambda: Allowances(5, 30))
    by_browser: Allowances = field(default_factory=lambda: Allowances(5, 30))
    by_address: Allowances = field(default_factory=lambda: Allowances(50, 2))

    def take(self, username: str, address: str, cookie: str | None) -> int:
        """Count one attempt; the whole seconds to wait, 0 when it may be made."""
        waits = [allowances.take(key) for allowances, key in self._counted(username, address, cookie)]
        return math.ceil(max(waits))

    def give_back(self, username: str, address: str, cookie: str | None) -> None:
        """Call it when the attempt has succeeded."""
        for allowances, key in self._counted(username, address, cookie):
            allowances.give_back(key)

    def cookie_for(self, username: str) -> str:
        browser = secrets.token_urlsafe(16)
        return f"{browser}.{self._signature(username, browser)}"

    def _counted(self, username: str, address: str, cookie: str | None) -> list[tuple[Allowances, str]]:
        browser = self._browser(username, cookie)
        if browser is not None:
            return [(self.by_browser, browser)]
        return [(self.by_name, username), (self.by_address, address)]

    def _browser(self, username: str, cookie: str | None) -> str | None:
        browser, _, signature = (cookie or "").partition(".")
        known = hmac.compare_digest(signature.encode(), self._signature(username, browser).encode())
        return browser if known else None

    def _signature(self, username: str, browser: str) -> str:
        return hmac.new(self.secret.encode(), f"browser\0{browser}\0{username}".encode(), hashlib.sha256).hexdigest()
