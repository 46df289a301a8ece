"""The whole gate on models that are equal: how often does it promote one for nothing?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.tuneloop.evaluation.score_tables import report
from tuneloop.evaluation.gate import decide
from tuneloop.recipes import Rule

pytestmark = pytest.mark.integration

ROWS = 48
TRIALS = 60
Draw = Callable[[np.random.Generator], NDArray[np.float64]]


def smooth(random: np.random.Generator) -> NDArray[np.float64]:
    return random.beta(4, 6, ROWS)


def mostly_right(random: np.random.Generator) -> NDArray[np.float64]:
    """0/1 scores that rarely differ: the case in which intervals are most easily too narrow."""
    return (random.random(ROWS) < 0.9).astype(float)


def by_cluster(random: np.random.Generator) -> NDArray[np.float64]:
    return np.repeat(random.beta(4, 6, ROWS // 4), 4) + random.normal(0, 0.02, ROWS)


def promoted(folder: Path, draw: Draw, clusters: list[str]) -> float:
    random = np.random.default_rng(7)
    found = 0
    for trial in range(TRIALS):
        candidate = report(folder, f"c{trial}", {"m": draw(random).tolist()}, clusters=clusters)
        base = report(folder, f"b{trial}", {"m": draw(random).tolist()}, clusters=clusters)
        verdict = decide(candidate=candidate, base=base, champion=None, rules=[Rule(metric="m")], confidence=0.95)
        found += verdict.decision == "promote"
    return found / TRIALS


@pytest.mark.parametrize(("draw", "rows_per_cluster"), [(smooth, 1), (mostly_right, 1), (by_cluster, 4)])
def test_an_equal_model_is_rarely_promoted(tmp_path: Path, draw: Draw, rows_per_cluster: int) -> None:
    clusters = [str(row // rows_per_cluster) for row in range(ROWS)]
    assert promoted(tmp_path, draw, clusters) <= 0.14  # 5 %, and three standard errors of 60 trials
