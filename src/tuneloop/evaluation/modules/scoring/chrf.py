"""chrF (Popović, 2015) of single rows, equal to sacrebleu's and many times as fast."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuneloop.evaluation.modules.scoring.matches import character_matches

_ORDERS = 6
_RECALL_WEIGHT = 4.0
"""Beta is 2, squared."""


def sentence_chrf(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1: precision and recall are averaged over the orders that both texts are long enough for."""
    given, wanted = ["".join(text.split()) for text in answers], ["".join(text.split()) for text in expected]
    shared = character_matches(given, wanted, _ORDERS)
    shorter = np.arange(_ORDERS)
    said = np.clip(np.array([len(text) for text in given])[:, None] - shorter, 0, None)
    asked = np.clip(np.array([len(text) for text in wanted])[:, None] - shorter, 0, None)
    counted = (said > 0) & (asked > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    precision = np.where(counted, shared / np.maximum(said, 1), 0.0).sum(axis=1) / orders
    recall = np.where(counted, shared / np.maximum(asked, 1), 0.0).sum(axis=1) / orders
    weighted = _RECALL_WEIGHT * precision + recall
    scores = (1 + _RECALL_WEIGHT) * precision * recall / np.where(weighted > 0, weighted, 1.0)
    rows: list[float] = np.minimum(scores, 1.0).tolist()
    return rows
