from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.reports.examples import make_round
from tuneloop.lineage.reproduction import Reproduction, compare, loss_difference, write_reproduction
from tuneloop.results import LossPoint, TrainingReport


def report(model_hash: str = "h1", losses: tuple[float, ...] = (2.0, 1.0), **changes: Any) -> TrainingReport:
    """Weights are in no folder: what is left to compare are hash and losses."""
    points = [LossPoint(step=n, epoch=float(n), train_loss=x, eval_loss=x) for n, x in enumerate(losses, 1)]
    return make_round().training.model_copy(update={"model_hash": model_hash, "losses": points} | changes)


def test_equal_hashes_are_identical_whatever_the_losses_say() -> None:
    assert compare(report(), report(losses=(5.0, 4.0))).outcome == "identical"


def test_two_models_that_were_never_merged_are_not_identical_for_having_no_hash() -> None:
    assert compare(report(""), report("", losses=(5.0, 4.0))).outcome == "different"


@pytest.mark.parametrize(("last", "outcome"), [(1.009, "equal within tolerance"), (1.011, "different")])
def test_without_weights_the_losses_decide(last: float, outcome: str) -> None:
    found = compare(report(), report("h2", losses=(2.0, last)), tolerance=0.01)
    assert found.outcome == outcome
    assert found.weights is None
    assert "weights are gone" in found.text


def test_a_curve_of_another_length_is_different_even_where_all_else_is_equal() -> None:
    found = compare(report(), report("h2", losses=(2.0, 1.0, 0.9)))
    assert found.outcome == "different"
    assert found.losses.unlike_steps == 2


def test_a_loss_that_became_no_number_is_infinitely_far_and_two_of_them_are_equal() -> None:
    nan = [LossPoint(step=1, epoch=1.0, train_loss=math.nan)]
    one = [LossPoint(step=1, epoch=1.0, train_loss=1.0)]
    assert loss_difference(one, nan).largest_train == math.inf
    assert loss_difference(nan, nan).largest_train == 0.0


def test_the_record_is_written_in_one_step(tmp_path: Path) -> None:
    found = Reproduction(
        run="desk round 1", key="k", data_version="d", seed=17, threads=None, folder=str(tmp_path), findings=[],
        differences=[], comparison=compare(report(), report()),
    )  # fmt: skip
    file = write_reproduction(tmp_path, found)
    assert Reproduction.model_validate(json.loads(file.read_text())) == found
    assert [path.name for path in tmp_path.iterdir()] == ["reproduction.json"]
