"""What is seen of real tiny runs, healthy and spoilt: warnings, the weights that are kept, an early end."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.training.conftest import TOPICS
from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.records import Message, Record
from tuneloop.results import LossPoint, TrainingReport
from tuneloop.training import fine_tune
from tuneloop.training.progress import Progress
from tuneloop.training.warning_signs import WarningSigns

pytestmark = pytest.mark.integration

CONFIG = Training(epochs=3, batch_size=4, learning_rate=2e-2, lora_rank=8, lora_alpha=8, save_every_steps=4)
"""Memorises 24 rows: with answers of another kind for validation, its loss falls to step 9 and rises from there."""
MAX_STEPS = 40

Train = Callable[..., TrainingReport]


@pytest.fixture(scope="module")
def other_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Validation rows whose answers look like none that is learned: each step towards those makes them less likely."""
    import pyarrow as pa
    import pyarrow.parquet

    rows = [
        Record(f"v{n}", (Message("user", f"The {topic} is late."), Message("assistant", "ZQ XJ " * 6)), "tests", n + 1)
        for n, topic in enumerate(TOPICS)
    ]
    path = tmp_path_factory.mktemp("rows") / "validation.parquet"
    columns = {"id": [row.id for row in rows], "record": [json.dumps(row.to_json()) for row in rows]}
    pyarrow.parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def train(tiny: Path, train_file: Path, other_answers: Path) -> Train:
    """Train on 24 rows for 18 steps, with two evaluations an epoch; `changes` are of the recipe's training section."""

    def run(out: Path, *, rest: dict[str, Any] | None = None, **changes: Any) -> TrainingReport:
        given = {
            "base": tiny, "train_file": train_file, "validation_file": other_answers, "system_prompt": "Be brief.",
            "max_tokens": 400, "data_version": "v1", "threads": 2, "merge": False,
        }  # fmt: skip
        return fine_tune(out=out, config=CONFIG.model_copy(update=changes), **given | (rest or {}))

    return run


@pytest.fixture(scope="module")
def memorised(train: Train, tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train(tmp_path_factory.mktemp("memorised") / "out")


def weights(report: TrainingReport) -> bytes:
    return (Path(report.adapter) / "adapter_model.safetensors").read_bytes()


def kinds(report: TrainingReport) -> list[str]:
    return [warning.kind for warning in report.warnings]


def evaluations(report: TrainingReport) -> dict[int, float]:
    return {point.step: point.eval_loss for point in report.losses if point.eval_loss is not None}


def stop_at(step: int) -> Callable[[LossPoint], bool]:
    return lambda point: point.step >= step and point.eval_loss is not None


def test_rows_learned_by_heart_are_warned_of(memorised: TrainingReport) -> None:
    assert kinds(memorised) == ["overfitting"]
    assert "early_stopping_patience" in memorised.warnings[0].text


def test_the_kept_weights_are_those_of_the_lowest_validation_loss(
    memorised: TrainingReport, train: Train, tmp_path: Path
) -> None:
    measured = evaluations(memorised)
    best = min(measured, key=measured.__getitem__)
    assert list(measured) == [3, 6, 9, 12, 15, 18]
    assert memorised.kept_step == best < memorised.steps == 18
    stopped = train(tmp_path / "out", keep="last", rest={"should_stop": stop_at(best)})
    assert (stopped.steps, stopped.kept_step, kinds(stopped)) == (best, None, ["stopped_early"])
    assert weights(stopped) == weights(memorised)


@pytest.mark.parametrize(("cut", "checkpoint"), [(11, 8), (14, 12)], ids=["best is measured again", "best was before"])
def test_a_run_cut_off_keeps_and_warns_as_one_that_was_not_and_shows_all_its_losses(
    memorised: TrainingReport, train: Train, tmp_path: Path, cut: int, checkpoint: int
) -> None:
    def stop(point: Progress) -> None:
        if point.step == cut:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "out", rest={"on_progress": stop})
    seen: list[Progress] = []
    report = train(tmp_path / "out", rest={"on_progress": seen.append})
    assert report.resumed_from_step == checkpoint
    assert (report.kept_step, report.warnings) == (memorised.kept_step, memorised.warnings)
    assert weights(report) == weights(memorised)
    assert [point.step for point in seen if point.train_loss is not None] == list(range(1, 19))


def test_patience_ends_the_run_and_says_so(memorised: TrainingReport, train: Train, tmp_path: Path) -> None:
    report = train(tmp_path / "out", early_stopping_patience=2)
    assert (report.steps, report.kept_step) == (15, 9)
    assert report.warnings[-1].kind == "stopped_early"
    assert "3 of 18 steps were left" in report.warnings[-1].text
    assert weights(report) == weights(memorised)


def test_a_healthy_run_is_left_alone_and_its_progress_is_complete(
    train: Train, validation_file: Path, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    rest = {"validation_file": validation_file, "on_progress": seen.append}
    report = train(
        tmp_path / "out", epochs=2, learning_rate=5e-3, lora_rank=4, evaluations_per_epoch=1, step="trl", rest=rest
    )
    assert (report.warnings, report.kept_step) == ([], 12)
    assert list(evaluations(report)) == [6, 12]
    middle = next(point for point in seen if point.step == 6 and point.train_loss is not None)
    assert middle.max_steps == 12
    assert middle.learning_rate is not None
    assert 0 < middle.learning_rate <= 5e-3
    assert min(middle.gradient_norm or 0, middle.tokens_per_second or 0, middle.seconds_left or 0) > 0
    assert seen[-1].kept_step == 12


def test_a_thousandth_of_the_rate_is_seen_half_way(train: Train, tmp_path: Path) -> None:
    report = train(tmp_path / "out", learning_rate=2e-5)
    assert kinds(report) == ["not_learning"]
    assert report.warnings[0].step == 9


def test_a_thousand_times_the_rate_shows_in_the_gradients(train: Train, tmp_path: Path) -> None:
    assert "exploding_gradients" in kinds(train(tmp_path / "out", learning_rate=20.0))


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="needs an environment without TensorBoard")
def test_event_files_without_their_package_are_refused_with_advice(train: Train, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="pip install tensorboard"):
        train(tmp_path / "out", tensorboard=True)


def history(losses: list[float], norms: list[float] | None = None, **validation: float) -> list[dict[str, Any]]:
    """A log with a loss at every step; `validation` is v5=0.3 for a validation loss at step 5."""
    found: list[dict[str, Any]] = []
    for step, loss in enumerate(losses, 1):
        found.append({"step": step, "loss": loss, "grad_norm": norms[step - 1] if norms else 1.0})
        if f"v{step}" in validation:
            found.append({"step": step, "eval_loss": validation[f"v{step}"]})
    return found


def signs(log: list[dict[str, Any]]) -> dict[str, int]:
    found = WarningSigns(max_steps=MAX_STEPS, max_grad_norm=1.0).see(log)
    return {warning.kind: warning.step for warning in found}


FALLING = [3.0 / (1 + step / 5) + 0.1 * (step % 3) for step in range(MAX_STEPS)]


def test_a_falling_loss_with_noise_and_a_lone_bump_in_validation_are_no_sign() -> None:
    assert signs(history(FALLING, v10=0.8, v20=0.6, v30=0.61, v40=0.59)) == {}


def test_a_loss_that_turns_and_rises_diverges() -> None:
    assert list(signs(history(FALLING[:15] + [FALLING[14] + 0.1 * step for step in range(25)]))) == ["diverging"]


def test_one_gradient_far_above_the_usual_and_many_clipped_ones_are_both_signs() -> None:
    assert signs(history(FALLING, [1.0] * 20 + [50.0] + [1.0] * 19)) == {"exploding_gradients": 21}
    assert signs(history(FALLING, [float("nan") if step == 8 else 1.0 for step in range(40)])) == {
        "exploding_gradients": 9
    }
    assert signs(history(FALLING, [30.0] * 40)) == {"exploding_gradients": 6}


def test_small_gradients_that_grow_tenfold_are_no_sign() -> None:
    assert signs(history(FALLING, [0.01] * 20 + [0.5] * 20)) == {}


def test_the_signs_of_a_history_seen_in_parts_are_those_of_the_whole() -> None:
    log = history([2.0] * 25 + [3.0] * 15)
    in_parts = WarningSigns(max_steps=MAX_STEPS, max_grad_norm=1.0)
    found = [warning for end in (7, 7, 30, 40) for warning in in_parts.see(log[:end])]
    assert [warning.kind for warning in found] == ["not_learning", "diverging"]
    assert found == WarningSigns(max_steps=MAX_STEPS, max_grad_norm=1.0).see(log)
