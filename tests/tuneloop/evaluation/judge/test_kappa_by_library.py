from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from tuneloop.evaluation.judge.agreement import measure_agreement

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", range(5))
def test_kappa_and_weighted_kappa_are_those_of_scikit_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    human, judged = random.integers(0, 3, 80), random.integers(0, 3, 80)
    judged[:40] = human[:40]
    found = measure_agreement(judged / 2, human / 2, [str(i) for i in range(80)], min_kappa=0.4)
    assert found.kappa is not None
    assert found.weighted is not None
    assert found.kappa.value == pytest.approx(cohen_kappa_score(judged, human))
    assert found.weighted.value == pytest.approx(cohen_kappa_score(judged, human, weights="linear"))
