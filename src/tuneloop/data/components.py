"""Things that are tied to each other, directly or through others, get one number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def join(numbers: Numbers, left: Numbers, right: Numbers) -> Numbers:
    """`numbers` (from 0 on, below their count), made equal where the edges left[i] - right[i] tie them together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return numbers
    ends = (numbers[left], numbers[right])
    graph = coo_array((np.ones(len(left), dtype=np.int8), ends), shape=(len(numbers), len(numbers)))
    joined: Numbers = connected_components(graph, directed=False)[1][numbers].astype(np.int64)
    return joined


def same_values(values: Sequence[object], rows: Sequence[int] | None = None) -> tuple[Numbers, Numbers]:
    """Edges from each of the rows (None: all) to the first one of equal value; None equals nothing."""
    first: dict[object, int] = {}
    edges = [
        (first[values[i]], i)
        for i in (range(len(values)) if rows is None else rows)
        if values[i] is not None and first.setdefault(values[i], i) != i
    ]
    left, right = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return left, right
