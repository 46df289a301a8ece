"""Two thousand gates between models of equal quality, per kind of score: luck must not promote. Takes a quarter of an
hour."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gate import A_A, RISK, Scenario, most_by_luck, rates

pytestmark = pytest.mark.slow

GATES = 2000


@pytest.mark.parametrize("scenario", A_A, ids=lambda scenario: scenario.name)
def test_equal_models_are_promoted_no_more_often_than_stated(tmp_path: Path, scenario: Scenario) -> None:
    ours, naive = rates(scenario, GATES, tmp_path / "gates")
    assert ours <= most_by_luck(GATES)
    if scenario.rows_per_cluster > 1:
        assert naive > 2 * RISK, "the scenario is one in which looking at rows alone fails"
