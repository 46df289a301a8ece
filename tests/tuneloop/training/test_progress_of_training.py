"""What is said of a run while it goes."""

from __future__ import annotations

import pytest

from tuneloop.errors import TrainingError
from tuneloop.results import LossPoint
from tuneloop.training.progress import LossWatch, PeakMemory, loss_points

pytestmark = pytest.mark.integration


def test_an_ordinary_noisy_run_is_left_alone() -> None:
    watch = LossWatch()
    for step in range(100):
        watch.see(step, 3.0 / (1 + step / 10) + (1.5 if step % 9 == 0 else 0.0))


def test_a_loss_that_is_not_a_number_ends_the_run_at_once() -> None:
    with pytest.raises(TrainingError, match="learning_rate"):
        LossWatch().see(0, float("nan"))


def test_a_loss_that_climbs_ends_the_run_after_the_first_steps() -> None:
    watch = LossWatch()
    for step in range(10):
        watch.see(step, 1.0 + step)
    with pytest.raises(TrainingError, match="climbs"):
        watch.see(10, 12.0)


def test_training_and_evaluation_of_one_step_become_one_point() -> None:
    history = [
        {"loss": 2.0, "step": 1, "epoch": 0.5, "grad_norm": 1.0},
        {"eval_loss": 1.5, "step": 1, "epoch": 0.5},
        {"train_runtime": 3.0, "step": 1},
    ]
    assert loss_points(history) == [LossPoint(step=1, epoch=0.5, train_loss=2.0, eval_loss=1.5)]


def test_memory_is_looked_at_while_the_block_runs() -> None:
    with PeakMemory() as memory:
        block = bytearray(64 * 2**20)
        memory.look()
    assert block
    assert memory.mib > 64
