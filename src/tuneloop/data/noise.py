"""Slips of the finger and of style, as people make them: synthetic prompts that cost nothing and mean the same.

A first letter is never changed (people seldom mistype it, and `never` must not become `ever`), nor are short words,
words in capitals, and whatever fixed_parts.py names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence

from tuneloop.data.fixed_parts import fixed_spans

SHARE_OF_WORDS = 0.08
HABIT_PROBABILITY = 0.4
"""Of each habit: dropping the full stop, a small first letter, contractions, leaving out apostrophes."""

Edit = tuple[int, int, str]
"""Replace text[start:end] by this."""

_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(place - 1, 0) : place] + row[place + 1 : place + 2]
    for row in _KEYBOARD
    for place, key in enumerate(row)
}
_WORD = re.compile(r"(?<![\w'’-])[A-Za-zÀ-ÖØ-öø-ɏ][a-zß-öø-ɏ]{3,}(?![\w'’-])")  # noqa: RUF001 (Latin letters)
_CONTRACTIONS = {
    "do not": "don't", "does not": "doesn't", "did not": "didn't", "is not": "isn't", "are not": "aren't",
    "was not": "wasn't", "have not": "haven't", "has not": "hasn't", "will not": "won't", "would not": "wouldn't",
    "can not": "can't", "cannot": "can't", "could not": "couldn't", "i am": "I'm", "i have": "I've", "i will": "I'll",
    "it is": "it's", "that is": "that's", "you are": "you're", "we are": "we're", "they are": "they're",
}  # fmt: skip
_LONG_FORM = re.compile(rf"\b(?:{'|'.join(_CONTRACTIONS)})\b(?=\s+\w)", re.IGNORECASE)
_APOSTROPHE = re.compile(r"(?<=n)['’](?=t\b)", re.IGNORECASE)  # noqa: RUF001
_LAST_STOP = re.compile(r"[.!]\s*\Z")
_FIRST_LETTER = re.compile(r"\A[A-Z](?=[a-z' ])")


def add_noise(text: str, seed: str) -> str:
    """`text` with a few slips, the same for the same seed; unchanged where there is nothing that may be touched."""
    rng = random.Random(seed)  # noqa: S311 (no secret hangs on a typing error)
    fixed = fixed_spans(text)

    def is_free(edit: Edit) -> bool:
        return all(edit[1] <= start or edit[0] >= end for start, end in fixed)

    words = [w for w in _WORD.finditer(text) if is_free((*w.span(), ""))]
    habits = [e for e in _habits(text, rng) if is_free(e)]
    slips = max(1, round(SHARE_OF_WORDS * len(words)))
    typos = [(*w.span(), _mistyped(w[0], rng)) for w in rng.sample(words, min(slips, len(words)))]
    return _apply(text, [*habits, *typos])


def _habits(text: str, rng: random.Random) -> Iterator[Edit]:
    rules: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
        (_LAST_STOP, lambda _: ""),
        (_FIRST_LETTER, str.lower),
        (_LONG_FORM, _contracted),
        (_APOSTROPHE, lambda _: ""),
    )
    for pattern, change in rules:
        if rng.random() < HABIT_PROBABILITY:
            yield from ((*m.span(), change(m[0])) for m in pattern.finditer(text))


def _contracted(long_form: str) -> str:
    short = _CONTRACTIONS[" ".join(long_form.lower().split())]
    return long_form[0] + short[1:]


def _mistyped(word: str, rng: random.Random) -> str:
    place = rng.randrange(1, len(word) - 1)
    before, letter, after = word[:place], word[place], word[place + 1 :]
    slips = [before + after, before + letter * 2 + after, before + after[0] + letter + after[1:]]
    slips += [before + key + after for key in _NEIGHBOURS.get(letter, "")]
    return rng.choice([s for s in slips if s != word])


def _apply(text: str, edits: Sequence[Edit]) -> str:
    """From the end backwards, so that places stay right; of two edits of one stretch the later one goes."""
    start_of_last = len(text) + 1
    for start, end, new in sorted(edits, reverse=True):
        if end <= start_of_last:
            text = text[:start] + new + text[end:]
            start_of_last = start
    return text
