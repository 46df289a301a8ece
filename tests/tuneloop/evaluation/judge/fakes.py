"""A judge that needs no server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tuneloop.evaluation.judge.pairs import Pair


@dataclass
class FakeJudge:
    """Says what `judge` makes of a question, and remembers what it was asked."""

    judge: Callable[[str], str]
    identity: str = "fake"
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def complete(self, instructions: str, questions: Sequence[str]) -> Iterator[str]:
        self.told.append(instructions)
        for question in questions:
            self.asked.append(question)
            yield self.judge(question)


def pair(number: int, candidate: str = "a long answer", reference: str = "short") -> Pair:
    return Pair(f"row-{number}", f"cluster-{number}", f"prompt {number}", candidate, reference)
