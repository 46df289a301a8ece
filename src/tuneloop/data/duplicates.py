"""Copies and near-copies of prompts: found by MinHash, verified exactly, joined to clusters, all but the best row
named.

Signatures have 128 permutations in 25 bands of 5 rows: two prompts of Jaccard similarity .7 meet in a band with
probability .99 (1 - (1 - s^5)^25). Every pair that meets is then compared exactly, on sets of word 3-grams.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

PERMUTATIONS = 128
BANDS, BAND_ROWS = 25, 5
SHINGLE_WORDS = 3
SIGNATURE_CHUNK = 20_000
SIGNATURE_SEED = 42
MAX_BUCKET_PAIRS = 50
"""In a crowded bucket every row is compared with this many rows behind it, not with all: they still become one
cluster."""

BOILERPLATE_SHARE = 0.2
BOILERPLATE_MIN_ROWS = 50

Matrix = np.ndarray[tuple[int, int], np.dtype[np.uint32]]

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Twin:
    """Why a row should go: `kind` is exact_copy, near_copy, leakage or contradiction; `of` is the other row's index."""

    kind: str
    of: int


def normalise(text: str) -> str:
    """Case, accents' encoding, punctuation and spacing do not make two prompts different."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold())) or text.strip()


def find_clusters(prompts: Sequence[str], *, threshold: float) -> list[int]:
    """A cluster number for every prompt; equal and near-equal prompts (and what they are near to) share one.

    `prompts` are normalised. Word triples that a fifth of the rows share (an instruction put before every input) say
    nothing about likeness and are left out.
    """
    distinct = sorted({p: i for i, p in reversed(list(enumerate(prompts)))}.values())
    near = _near_pairs([prompts[i] for i in distinct], threshold)
    return _components(len(prompts), [*_same(prompts), *((distinct[a], distinct[b]) for a, b in near)])


def join_groups(clusters: Sequence[int], groups: Sequence[str | None]) -> list[int]:
    """The clusters, wherever a group reaches over several of them made one."""
    return _components(len(clusters), [*_same([str(c) for c in clusters]), *_same(groups)])


def choose(
    prompts: Sequence[str],
    clusters: Sequence[int],
    *,
    authority: Sequence[int],
    lengths: Sequence[int],
    labels: Sequence[str | None],
    protected: Sequence[bool],
) -> dict[int, Twin]:
    """Which rows go, by index, and because of which other row; what is not named stays.

    In a cluster the row of the highest authority is kept; of those the one with the longest completion; of those the
    first. Equal prompts of the highest authority with different labels contradict each other: nobody can tell
    which is right, so all rows with that prompt go. Rows that go for the sake of a `protected` (test) row are leakage.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for index, cluster in enumerate(clusters):
        members[cluster].append(index)
    twins: dict[int, Twin] = {}
    for rows in (m for m in members.values() if len(m) > 1):
        twins |= (disputed := _contradictions(rows, prompts, authority, labels))
        left = [i for i in rows if i not in disputed]
        if not left:
            continue
        best = max(left, key=lambda i: (authority[i], lengths[i], -i))
        for i in left:
            if i != best:
                twins[i] = Twin(_kind(i, best, prompts, protected), best)
    return twins


def _kind(row: int, kept: int, prompts: Sequence[str], protected: Sequence[bool]) -> str:
    if protected[kept] and not protected[row]:
        return "leakage"
    return "exact_copy" if prompts[row] == prompts[kept] else "near_copy"


def _contradictions(
    rows: Sequence[int], prompts: Sequence[str], authority: Sequence[int], labels: Sequence[str | None]
) -> dict[int, Twin]:
    by_prompt: dict[str, list[int]] = defaultdict(list)
    for i in rows:
        by_prompt[prompts[i]].append(i)
    found: dict[int, Twin] = {}
    for same in by_prompt.values():
        top = max(authority[i] for i in same)
        judges = [i for i in same if authority[i] == top and labels[i] is not None]
        if len({labels[i] for i in judges}) > 1:
            found |= {i: Twin("contradiction", _opponent(i, judges, labels)) for i in same}
    return found


def _opponent(row: int, judges: Sequence[int], labels: Sequence[str | None]) -> int:
    return next(i for i in judges if i != row and labels[i] != labels[row])


def _same(values: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Edges from every row to the first one of equal value; None equals nothing."""
    first: dict[str, int] = {}
    for index, value in enumerate(values):
        if value is not None and first.setdefault(value, index) != index:
            yield first[value], index


def _components(size: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not edges:
        return list(range(size))
    left, right = np.array(edges, dtype=np.int64).T
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(size, size))
    numbers: list[int] = connected_components(graph, directed=False)[1].tolist()
    return numbers


def _near_pairs(prompts: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    boilerplate = _boilerplate(prompts)
    signatures = _signatures(prompts, boilerplate)
    for a, b in _candidates(signatures):
        if _jaccard(_shingles(prompts[a], boilerplate), _shingles(prompts[b], boilerplate)) >= threshold:
            yield a, b


def _shingles(prompt: str, boilerplate: frozenset[str]) -> frozenset[str]:
    words = prompt.split()
    grams = frozenset(" ".join(words[i : i + SHINGLE_WORDS]) for i in range(max(len(words) - SHINGLE_WORDS + 1, 1)))
    return grams - boilerplate or grams


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)


def _boilerplate(prompts: Sequence[str]) -> frozenset[str]:
    if len(prompts) < BOILERPLATE_MIN_ROWS:
        return frozenset()
    step = max(len(prompts) // 2000, 1)
    sample = prompts[::step]
    counts = Counter(gram for p in sample for gram in _shingles(p, frozenset()))
    return frozenset(g for g, n in counts.items() if n > BOILERPLATE_SHARE * len(sample))


def _signatures(prompts: Sequence[str], boilerplate: frozenset[str]) -> Matrix:
    from rensa import RMinHash

    rows = []
    # In chunks: the whole matrix as Python lists would take ten times the memory.
    for start in range(0, len(prompts), SIGNATURE_CHUNK):
        sets = [sorted(_shingles(p, boilerplate)) for p in prompts[start : start + SIGNATURE_CHUNK]]
        matrix = RMinHash.digest_matrix_from_token_sets(sets, PERMUTATIONS, SIGNATURE_SEED)
        rows.append(np.array(matrix.to_rows(), dtype=np.uint32))
    return np.concatenate(rows) if rows else np.zeros((0, PERMUTATIONS), dtype=np.uint32)


def _candidates(signatures: Matrix) -> Iterator[tuple[int, int]]:
    """Pairs of rows that agree on at least one band, each once."""
    seen: set[tuple[int, int]] = set()
    for band in range(BANDS):
        keys = np.ascontiguousarray(signatures[:, band * BAND_ROWS : (band + 1) * BAND_ROWS])
        for bucket in _buckets(keys):
            for place, a in enumerate(bucket):
                for b in bucket[place + 1 : place + 1 + MAX_BUCKET_PAIRS]:
                    if (a, b) not in seen:
                        seen.add((a, b))
                        yield a, b


def _buckets(keys: Matrix) -> Iterator[list[int]]:
    """Indices (ascending) of rows with equal keys, where there are at least two."""
    if len(keys) < 2:  # noqa: PLR2004  # nobody to share a bucket with
        return
    flat = keys.view([("", keys.dtype)] * keys.shape[1]).ravel()
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.r_[True, flat[order][1:] != flat[order][:-1]])
    for bucket in np.split(order, starts[1:]):
        if len(bucket) > 1:
            yield [int(i) for i in bucket]
