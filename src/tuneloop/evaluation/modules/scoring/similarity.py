"""Closeness in meaning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneloop.ports import Embedder


def similarities(answers: Sequence[str], expected: Sequence[str], embedder: Embedder) -> list[float]:
    """Cosine of each pair, cut to 0..1. An empty text is like an empty text only."""
    texts = list(dict.fromkeys([*answers, *expected]))  # the same answer many times is embedded once
    vectors = np.nan_to_num(np.asarray(embedder.embed(texts), dtype=np.float64))
    places = {text: place for place, text in enumerate(texts)}
    left, right = ([places[text] for text in side] for side in (answers, expected))
    cosines = np.clip((vectors[left] * vectors[right]).sum(axis=1), 0.0, 1.0)
    rows = zip(cosines.tolist(), answers, expected, strict=True)
    return [cosine if a.strip() and b.strip() else float(not (a.strip() or b.strip())) for cosine, a, b in rows]
