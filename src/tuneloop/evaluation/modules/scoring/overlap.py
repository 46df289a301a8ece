"""What an answer and the expected one have in common, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuneloop.evaluation.answer_fields import label_pairs
from tuneloop.evaluation.modules.scoring.words import squad_words


@dataclass(frozen=True, slots=True)
class Overlap:
    """Counts of one row: what both say, what the answer says, what is expected."""

    hits: int
    given: int
    wanted: int

    @classmethod
    def of_rows(
        cls, answers: Sequence[str], expected: Sequence[str], labels: Mapping[str, Sequence[str]]
    ) -> Iterator[Overlap]:
        """Overlaps of (key, label) pairs where there are `labels`, otherwise of words."""
        for answer, wanted in zip(answers, expected, strict=True):
            if labels:
                yield cls._of(label_pairs(answer, labels), label_pairs(wanted, labels))
            else:
                yield cls._of(squad_words(answer), squad_words(wanted))

    @classmethod
    def _of(cls, given: Sequence[Hashable], wanted: Sequence[Hashable]) -> Overlap:
        return cls((Counter(given) & Counter(wanted)).total(), len(given), len(wanted))

    @property
    def precision(self) -> float:
        """Of what is given; 1 where nothing is given and nothing wanted."""
        return self.hits / self.given if self.given else float(not self.wanted)

    @property
    def recall(self) -> float:
        """Of what is wanted; 1 where nothing is given and nothing wanted."""
        return self.hits / self.wanted if self.wanted else float(not self.given)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 1 where nothing is given and nothing wanted."""
        said = self.given + self.wanted
        return 2 * self.hits / said if said else 1.0
