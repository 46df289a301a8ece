"""Count the n-grams of words or characters that two texts have in common, for many pairs at a time.

On them: BLEU, chrF and ROUGE; METEOR on words and stems.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise

import numpy as np
from nltk.stem.porter import PorterStemmer
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from tuneloop.evaluation.modules.scoring.words import rouge_words, words_and_marks

Counts = NDArray[np.int64]
_CHUNK = 32_768
"""Tokens counted at once: what stays in the processor's cache."""
_ROWS = 4096
_BITS = 62


def word_matches(answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]], orders: int) -> Counts:
    """Shape (rows, orders): n-grams of words that both have, each as often as in the text that has it less often."""
    sizes = _sizes(answers, expected)
    parts = [_word_part(answers[rows], expected[rows], sizes[rows], orders) for rows in _chunks(sizes)]
    return np.concatenate(parts) if parts else np.zeros((0, orders), dtype=np.int64)


def character_matches(answers: Sequence[str], expected: Sequence[str], orders: int) -> Counts:
    """Shape (rows, orders): the same for n-grams of characters."""
    sizes = _sizes(answers, expected)
    parts = [_character_part(answers[rows], expected[rows], sizes[rows], orders) for rows in _chunks(sizes)]
    return np.concatenate(parts) if parts else np.zeros((0, orders), dtype=np.int64)


def _sizes(answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]]) -> Counts:
    """Shape (rows, 2): lengths of both texts."""
    pairs = [(len(answer), len(wanted)) for answer, wanted in zip(answers, expected, strict=True)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _chunks(sizes: Counts) -> Iterator[slice]:
    """Slices of at most `_ROWS` rows and `_CHUNK` tokens, or of one row that has more."""
    start, held = 0, 0
    for row, size in enumerate(sizes.sum(axis=1).tolist()):
        if (held + size > _CHUNK and row > start) or row - start == _ROWS:
            yield slice(start, row)
            start, held = row, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def _word_part(
    answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]], sizes: Counts, orders: int
) -> Counts:
    words = list(chain.from_iterable(chain.from_iterable(zip(answers, expected, strict=True))))
    numbers = {word: number for number, word in enumerate(set(words))}
    tokens = np.fromiter(map(numbers.__getitem__, words), dtype=np.int64, count=len(words))
    return _count(tokens, len(numbers), sizes, orders)


def _character_part(answers: Sequence[str], expected: Sequence[str], sizes: Counts, orders: int) -> Counts:
    text = "".join(chain.from_iterable(zip(answers, expected, strict=True)))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    present = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
    present[codes] = 1
    return _count((np.cumsum(present) - 1)[codes], int(present.sum()), sizes, orders)


def _count(tokens: Counts, alphabet: int, sizes: Counts, orders: int) -> Counts:
    """Each n-gram becomes one whole number: row, tokens, side (0: answer, 1: expected). Sorted, equal n-grams of the
    two sides stand beside each other."""
    rows, lengths = len(sizes), sizes.ravel()
    width, row_bits = max(alphabet - 1, 1).bit_length(), rows.bit_length()
    owner = np.repeat(np.arange(2 * rows, dtype=np.int64), lengths)
    row, side = owner >> 1, owner & 1
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    grams, used = np.zeros(len(tokens) + 1, dtype=np.int64), 0
    counts = np.zeros((rows, orders), dtype=np.int64)
    for n in range(1, orders + 1):
        if used + width + row_bits >= _BITS:  # too many to write side by side: number those there are
            grams = np.unique(grams, return_inverse=True)[1]
            used = len(grams).bit_length()
        grams = (grams[:-1] << width) | tokens[n - 1 :]  # also across the ends of texts; those are left out below
        used += width
        here = len(grams)
        keys = (row[:here] << (used + 1)) | (grams << 1) | side[:here]
        counts[:, n - 1] = _shared(np.sort(keys[left[:here] >= n]), used + 1, rows)
    return counts


def _shared(keys: Counts, shift: int, rows: int) -> Counts:
    """Of sorted keys: per row, the sum of the smaller counts of the n-grams that stand on both sides."""
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
    times, found = np.diff(begins, append=len(keys)), keys[begins]
    both = np.flatnonzero((found[:-1] & 1 == 0) & (found[1:] == found[:-1] + 1))
    fewer = np.minimum(times[both], times[both + 1])
    return np.bincount(found[both] >> shift, weights=fewer, minlength=rows).astype(np.int64)


def common_length(a: Sequence[Hashable], b: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö, 2004): a whole row of the table is one integer, so two texts of 20,000 words take a tenth of a
    second instead of minutes.
    """
    long, short = (a, b) if len(a) >= len(b) else (b, a)
    shared = set(short)
    kept = [token for token in long if token in shared]
    places: dict[Hashable, int] = {}
    for place, token in enumerate(kept):
        places[token] = places.get(token, 0) | 1 << place
    row = every = (1 << len(kept)) - 1
    for token in short:
        hits = row & places.get(token, 0)
        row = (row + hits) | (row - hits)
    return len(kept) - (row & every).bit_count()


_BLEU_ORDERS = 4
_ALONE = r"""!"#$%&()*+/:;<=>?@[\]^_`{|}~"""
"""Marks that always stand alone in the tokens called 13a."""


class _Pieces(dict[str, list[str]]):
    """Word -> its tokens, worked out once. The rules on full stops, commas and dashes never look beyond white space, so
    a word is all they need to see."""

    def __init__(self) -> None:
        self._split = TokenizerRegexp()

    def __missing__(self, word: str) -> list[str]:
        pieces: list[str] = self._split(f" {word} ").split()
        self[word] = pieces
        return pieces


def sentence_bleu(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1; tokens 13a, exponential smoothing, only orders the answer is long enough for."""
    pieces = _Pieces()
    given, wanted = [_tokens(text, pieces) for text in answers], [_tokens(text, pieces) for text in expected]
    shared = word_matches(given, wanted, _BLEU_ORDERS).tolist()
    return [_bleu(*row) for row in zip(shared, map(len, given), map(len, wanted), strict=True)]


def _tokens(text: str, pieces: _Pieces) -> list[str]:
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in line:
        line = line.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    for mark in _ALONE:
        if mark in line:
            line = line.replace(mark, f" {mark} ")
    return list(chain.from_iterable(map(pieces.__getitem__, line.split())))


def _bleu(shared: list[int], given: int, wanted: int) -> float:
    totals = [max(0, given - order) for order in range(_BLEU_ORDERS)]
    found = BLEU.compute_bleu(shared, totals, given, wanted, smooth_method="exp", effective_order=True)
    return min(1.0, float(found.score) / 100)  # rounding gives 1.0000000000000004 for equal texts


_CHRF_ORDERS = 6
_CHRF_RECALL_WEIGHT = 4.0
"""Beta is 2, squared."""


def sentence_chrf(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1: precision and recall are averaged over the orders that both texts are long enough for."""
    given, wanted = ["".join(text.split()) for text in answers], ["".join(text.split()) for text in expected]
    shared = character_matches(given, wanted, _CHRF_ORDERS)
    shorter = np.arange(_CHRF_ORDERS)
    said = np.clip(np.array([len(text) for text in given])[:, None] - shorter, 0, None)
    asked = np.clip(np.array([len(text) for text in wanted])[:, None] - shorter, 0, None)
    counted = (said > 0) & (asked > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    precision = np.where(counted, shared / np.maximum(said, 1), 0.0).sum(axis=1) / orders
    recall = np.where(counted, shared / np.maximum(asked, 1), 0.0).sum(axis=1) / orders
    weighted = _CHRF_RECALL_WEIGHT * precision + recall
    scores = (1 + _CHRF_RECALL_WEIGHT) * precision * recall / np.where(weighted > 0, weighted, 1.0)
    rows: list[float] = np.minimum(scores, 1.0).tolist()
    return rows


def rouge_n(answers: Sequence[str], expected: Sequence[str], order: int) -> list[float]:
    """F1 of the n-grams of `order` words, one number per row."""
    given, wanted = [rouge_words(text) for text in answers], [rouge_words(text) for text in expected]
    shared = word_matches(given, wanted, order)[:, order - 1].tolist()
    rows = zip(shared, given, wanted, strict=True)
    return [f1(hits, len(answer) - order + 1, len(right) - order + 1) for hits, answer, right in rows]


def rouge_l(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """F1 of the longest common subsequence of words, one number per row."""
    pairs = ((rouge_words(answer), rouge_words(wanted)) for answer, wanted in zip(answers, expected, strict=True))
    return [f1(common_length(given, wanted), len(given), len(wanted)) for given, wanted in pairs]


def f1(hits: int, given: int, wanted: int) -> float:
    """Harmonic mean of precision (hits of those given) and recall (of those wanted); 0 without hits."""
    if not hits:
        return 0.0
    precision, recall = hits / given, hits / wanted
    return 2 * precision * recall / (precision + recall)


# The data of WordNet, and of the sentence splitter on which NLTK's word splitter relies, would have to be downloaded.


_METEOR_PRECISION_WEIGHT, _METEOR_RECALL_WEIGHT = 0.9, 0.1
_LARGEST_PENALTY, _PENALTY_POWER = 0.5, 3

Places = list[tuple[int, str]]
"""Words with where they stand."""


def meteor_scores(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1, one number per row."""
    # Words come again and again, and working out a stem is slow.
    stem = lru_cache(maxsize=100_000)(PorterStemmer().stem)
    pairs = zip(answers, expected, strict=True)
    return [_meteor(words_and_marks(answer), words_and_marks(wanted), stem) for answer, wanted in pairs]


def _meteor(given: Sequence[str], wanted: Sequence[str], stem: Callable[[str], str]) -> float:
    same, given_left, wanted_left = _align(list(enumerate(given)), list(enumerate(wanted)))
    akin, _, _ = _align(_stemmed(given_left, stem), _stemmed(wanted_left, stem))
    matches = sorted(same + akin)
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(given), len(matches) / len(wanted)
    mean = precision * recall / (_METEOR_PRECISION_WEIGHT * precision + _METEOR_RECALL_WEIGHT * recall)
    chunks = 1 + sum(b[0] != a[0] + 1 or b[1] != a[1] + 1 for a, b in pairwise(matches))
    return mean * (1 - _LARGEST_PENALTY * (chunks / len(matches)) ** _PENALTY_POWER)


def _align(given: Places, wanted: Places) -> tuple[list[tuple[int, int]], Places, Places]:
    """Pairs of places with the same word, from the end, each with the last one that is free; and what is left."""
    free: dict[str, list[int]] = {}
    for place, word in wanted:
        free.setdefault(word, []).append(place)
    matches, left = [], []
    for place, word in reversed(given):
        if places := free.get(word):
            matches.append((place, places.pop()))
        else:
            left.append((place, word))
    taken = {place for _, place in matches}
    return matches, left[::-1], [found for found in wanted if found[0] not in taken]


def _stemmed(places: Places, stem: Callable[[str], str]) -> Places:
    return [(place, stem(word)) for place, word in places]
