from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from tuneloop.data import meanings
from tuneloop.data.meanings import close_pairs, embed_short, nearest

Vectors = NDArray[np.float32]


class Initials:
    """A vector per text: the count of each letter words begin with."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        counts = [[sum(w.startswith(chr(97 + i)) for w in t.split()) + 1e-6 for i in range(26)] for t in texts]
        rows = np.array(counts, dtype=np.float32).reshape(-1, 26)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def on_a_circle(*degrees: float) -> Vectors:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_long_prompts_are_not_embedded() -> None:
    prompts = ["b b", " ".join(["a"] * (meanings.SHORT_WORDS + 1)), "a", "c"]

    rows, vectors = embed_short(prompts, [0, 1, 2], Initials())

    assert rows.tolist() == [2, 0]
    assert np.allclose(vectors[:, :2], np.eye(2), atol=1e-4)


def test_the_nearest_target_is_named_where_it_is_near_enough() -> None:
    found = nearest(on_a_circle(0, 50, 88), on_a_circle(10, 3, 90), cosine=0.99)

    assert found.tolist() == [1, -1, 2]


def test_without_targets_nothing_is_near() -> None:
    assert nearest(on_a_circle(0, 1), on_a_circle(), cosine=0.5).tolist() == [-1, -1]


@pytest.mark.parametrize("cells", [1, 40, 1 << 24])
def test_the_size_of_blocks_does_not_matter(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = on_a_circle(*np.random.default_rng(5).uniform(0, 360, size=30))
    likeness = vectors @ vectors.T
    monkeypatch.setattr(meanings, "BLOCK_CELLS", cells)

    left, right = close_pairs(vectors, 0.97)
    found = nearest(vectors[:20], vectors[20:], 0.97)

    assert set(zip(left.tolist(), right.tolist(), strict=True)) == set(
        zip(*(side.tolist() for side in np.nonzero(np.triu(likeness >= 0.97, k=1))), strict=True)
    )
    assert found.tolist() == [int(r.argmax()) if r.max() >= 0.97 else -1 for r in likeness[:20, 20:]]


def test_no_vectors_have_no_pairs() -> None:
    assert [side.tolist() for side in close_pairs(on_a_circle(), 0.9)] == [[], []]
