"""Split texts into words, and compare the words of two texts: overlap, and terms that are kept."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tuneloop.evaluation.answer_fields import label_pairs

_ROUGE = bytes(code if chr(code) in string.ascii_lowercase + string.digits else 32 for code in range(256))
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"\w+")
_WORD_OR_MARK = re.compile(r"\w+|[^\w\s]")


def rouge_words(text: str) -> list[bytes]:
    """Runs of a-z and 0-9 in the lowered text, as rouge-score splits it: every other character, accented letters
    too, separates words."""
    # Bytes and a table are ten times as fast as a regular expression. "?" stands for what is not ASCII, a separator.
    return text.lower().encode("ascii", "replace").translate(_ROUGE).split()


def squad_words(text: str) -> list[str]:
    """Lowered words without ASCII punctuation and English articles (Rajpurkar and others, 2016). Where nothing else is
    there they stay, or "!" would be as good an answer as "?"."""
    words = [word for word in text.lower().translate(_NO_PUNCTUATION).split() if word not in _ARTICLES]
    return words or text.split()


def plain_words(text: str) -> list[str]:
    """Runs of letters, digits and underscores in any script, case folded."""
    return _WORD.findall(text.casefold())


def words_and_marks(text: str) -> list[str]:
    """Lowered words, and every other character that is no white space by itself."""
    return _WORD_OR_MARK.findall(text.lower())


def share_of_terms_kept(
    answers: Sequence[str], expected: Sequence[str], *, required: Sequence[str], forbidden: Sequence[str]
) -> list[float]:
    """Share of obligations met in each row, 1 where there are none.

    A required term is one where the expected answer has it; a forbidden one always is. Terms are whole words, in any
    case, with any white space between their words.
    """
    wanted, banned = ([_whole_words(term) for term in terms if term.strip()] for terms in (required, forbidden))
    return [_share(answer, right, wanted, banned) for answer, right in zip(answers, expected, strict=True)]


def _share(answer: str, right: str, wanted: Sequence[re.Pattern[str]], banned: Sequence[re.Pattern[str]]) -> float:
    met = [bool(term.search(answer)) for term in wanted if term.search(right)]
    met += [not term.search(answer) for term in banned]
    return sum(met) / len(met) if met else 1.0


def _whole_words(term: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in term.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


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
