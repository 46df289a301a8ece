from pathlib import Path

import pytest

from tests.tuneloop.training.conftest import write_rows
from tuneloop.recipes import Training
from tuneloop.results.search import CurvePoint
from tuneloop.row_files import load_rows
from tuneloop.training.search.learning_curve import config_for, count_rows, fit, sizes_of, steps_of, write_sample

pytestmark = pytest.mark.integration

CONFIG = Training(epochs=2, batch_size=8)


def points(*losses: float) -> list[CurvePoint]:
    return [CurvePoint(rows=60 * 2**k, loss=loss, seconds=1) for k, loss in enumerate(losses)]


def test_sizes_are_the_usual_ones_below_what_there_is_and_all_of_it() -> None:
    assert sizes_of(192) == [60, 120, 192]
    assert sizes_of(480) == [60, 120, 240, 480]
    assert sizes_of(40) == [40]


@pytest.mark.parametrize("rows", [60, 120, 240, 480, 572])
def test_every_size_is_trained_for_as_many_steps(rows: int) -> None:
    smaller = config_for(CONFIG, rows, 572)
    assert steps_of(smaller, rows) == pytest.approx(steps_of(CONFIG, 572), abs=1)
    assert smaller.keep == "best"


def test_all_rows_are_trained_on_as_the_recipe_says() -> None:
    whole = config_for(CONFIG, 572, 572)
    assert (whole.epochs, whole.evaluations_per_epoch) == (CONFIG.epochs, CONFIG.evaluations_per_epoch)


def test_a_smaller_sample_lies_within_every_larger_one_and_no_row_is_in_it_twice(tmp_path: Path) -> None:
    everything = write_rows(tmp_path / "train.parquet", 40)
    samples = {n: write_sample(everything, n, tmp_path / f"{n}.parquet") for n in (10, 20, 99)}
    ids = {n: [row.id for row in load_rows(file)] for n, file in samples.items()}
    assert set(ids[10]) < set(ids[20]) < set(ids[99])
    assert [len(found) for found in ids.values()] == [10, 20, 40]
    assert len(set(ids[20])) == 20
    assert count_rows(samples[10]) == 10


def test_rows_that_come_later_change_a_sample_little(tmp_path: Path) -> None:
    before = write_sample(write_rows(tmp_path / "a.parquet", 40), 20, tmp_path / "a20.parquet")
    after = write_sample(write_rows(tmp_path / "b.parquet", 44), 20, tmp_path / "b20.parquet")
    kept = {row.id for row in load_rows(before)} & {row.id for row in load_rows(after)}
    assert len(kept) >= 16


def test_points_on_a_line_give_its_slope_with_hardly_any_doubt() -> None:
    line = fit(points(1.0, 0.9, 0.8, 0.7))
    assert line["slope"] == pytest.approx(-0.1)
    assert line["slope_low"] == pytest.approx(line["slope_high"], abs=1e-6)


def test_scattered_points_give_an_interval_that_holds_zero() -> None:
    line = fit(points(1.0, 0.8, 1.1, 0.9))
    assert line["slope_low"] < 0 < line["slope_high"]


def test_two_points_are_no_line() -> None:
    assert fit(points(1.0, 0.9)) == {}
