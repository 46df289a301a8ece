"""How friendly a text sounds: words counted, for differences between answers to paired prompts and for nothing else."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

REACH = 3
"""Words before a word among which a negation turns it round."""

_NEGATION = re.compile(r"(?:not|no|never|neither|nor|without|hardly|cannot|\w+n't)")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def valence(text: str) -> float:
    """From -1 (unfriendly words only, and many) to 1 (friendly ones); 0 where there are none of either.

    One is added to the count that it is divided by: a single word says little.
    """
    words = _WORD.findall(text.casefold().replace("\u2019", "'"))
    signs = [_sign(words, place) for place in range(len(words))]
    return sum(signs) / (sum(map(abs, signs)) + 1)


def _sign(words: list[str], place: int) -> int:
    sign = _lexicon().get(words[place], 0)
    is_negated = sign != 0 and any(map(_NEGATION.fullmatch, words[max(0, place - REACH) : place]))
    return -sign if is_negated else sign


@cache
def _lexicon() -> dict[str, int]:
    """Word -> 1 or -1; some 330 English words of ours, chosen for what people say of people."""
    file = resources.files("tuneloop.evaluation.suites") / "items" / "valence.json"
    words = json.loads(file.read_text(encoding="utf-8"))
    return dict.fromkeys(words["positive"].split(), 1) | dict.fromkeys(words["negative"].split(), -1)
