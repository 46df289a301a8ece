from __future__ import annotations

import mmap
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tuneloop.errors import DataError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.speed import measure_speed

pytestmark = pytest.mark.integration

PROMPTS = [[5, 6, 7], [5, 6], [8]]
READ_SECONDS, STEP_SECONDS = 0.03, 0.005


class Steady(LanguageModel):
    """Takes a fixed time to read, and a fixed time for each further token, however many rows there are."""

    def __init__(self) -> None:
        super().__init__(Path("nowhere"), threads=1)
        self.asked: list[tuple[int, int]] = []

    @property
    def device_type(self) -> str:
        return "cpu"

    def answers(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
    ) -> list[list[int]]:
        assert stop == frozenset(), "an answer that ends early would count as fast"
        self.asked.append((len(prompts), max_new_tokens))
        time.sleep(READ_SECONDS + STEP_SECONDS * (max_new_tokens - 1))
        return [[1] * max_new_tokens for _ in prompts]


def test_each_figure_is_the_one_it_says() -> None:
    speed = measure_speed(Steady(), PROMPTS, max_new_tokens=11, batch_size=4)
    # Sleeps are never too short; a busy machine may make them somewhat longer.
    assert READ_SECONDS <= speed.first_token_seconds < 2 * READ_SECONDS
    assert speed.first_token_seconds <= speed.first_token_seconds_p95
    assert speed.tokens_per_second_alone == pytest.approx(1 / STEP_SECONDS, rel=0.5)
    assert speed.tokens_per_second_batched <= 4 * 11 / (READ_SECONDS + 10 * STEP_SECONDS)
    assert speed.tokens_per_second_batched > speed.tokens_per_second_alone
    assert (speed.batch_size, speed.prompts) == (4, 3)


def test_the_model_is_warm_before_anything_counts_and_few_prompts_fill_a_batch() -> None:
    model = Steady()
    measure_speed(model, PROMPTS, max_new_tokens=6, batch_size=8)
    assert model.asked == [(1, 2), *[(1, 1)] * 3, *[(1, 6)] * 3, (8, 6)]


def test_memory_is_that_of_this_measurement_not_of_what_was_before() -> None:
    before = mmap.mmap(-1, 300 * 2**20)  # unlike malloc's, such memory is given back in any process
    for page in range(0, len(before), mmap.PAGESIZE):
        before[page] = 1  # so that each page is really there
    with_ballast = measure_speed(Steady(), PROMPTS[:1], max_new_tokens=2, batch_size=1).peak_memory_mib
    before.close()
    without = measure_speed(Steady(), PROMPTS[:1], max_new_tokens=2, batch_size=1).peak_memory_mib
    assert 20 < without < with_ballast - 200


def test_without_prompts_nothing_can_be_measured() -> None:
    with pytest.raises(DataError, match="at least one test row"):
        measure_speed(Steady(), [], max_new_tokens=4, batch_size=1)


def test_the_device_is_named_with_its_threads() -> None:
    assert measure_speed(Steady(), PROMPTS, max_new_tokens=2, batch_size=1).device.endswith(", 1 threads")
