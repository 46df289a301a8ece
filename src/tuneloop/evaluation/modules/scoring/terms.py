"""Words that must or must not be in an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence


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
