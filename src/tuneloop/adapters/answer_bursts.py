"""Many answers in a short time are one piece of news."""

from __future__ import annotations

from dataclasses import dataclass, field

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
