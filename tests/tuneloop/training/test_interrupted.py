"""Whatever ends a run, the same call goes on and ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.training.interrupted_runs import (
    Moment,
    adapter_hash,
    in_a_fork,
    kernel_refuses_small_disks,
    train,
    train_on_a_full_disk,
    train_with_a_limit_on_files,
)
from tuneloop.recipes import Training
from tuneloop.results import TrainingReport

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONFIG = Training(epochs=1.5, batch_size=4, learning_rate=5e-3, lora_rank=4, lora_alpha=8, save_every_steps=2)
STEPS = 9
DANGEROUS = {
    "while a checkpoint is written": Moment("checkpoint-2/trainer_state.json", "open"),
    "before a checkpoint gets its name": Moment("checkpoint-4", "os.rename"),
    "before an old checkpoint loses its name": Moment("checkpoints/checkpoint-2", "os.rename"),
    "while an old checkpoint is removed": Moment("checkpoint-4-old", "shutil.rmtree", 2),
    "while the adapter is written": Moment("adapter/adapter_config.json", "open"),
    "while the model is merged": Moment("generation_config.json", "open"),
    "before the model gets its name": Moment("model", "os.rename"),
    "before the report gets its name": Moment("report.json", "os.rename"),
    "while the checkpoints are removed": Moment("checkpoints", "shutil.rmtree", 2),
}
needs_small_disks = pytest.mark.skipif(
    kernel_refuses_small_disks(), reason="the kernel here lets no user mount a file system"
)


@pytest.fixture(scope="module")
def arguments(tiny: Path, train_file: Path, validation_file: Path) -> dict[str, Any]:
    return {
        "base": tiny, "train_file": train_file, "validation_file": validation_file, "system_prompt": "Be brief.",
        "max_tokens": 400, "config": CONFIG, "data_version": "v1", "threads": 2,
    }  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert in_a_fork(train, {**arguments, "out": out}) == 0
    return out


def report_in(out: Path) -> TrainingReport:
    return TrainingReport.model_validate_json((out / "report.json").read_text())


def assert_same_end(out: Path, undisturbed: Path) -> None:
    mine, expected = report_in(out), report_in(undisturbed)
    assert (mine.steps, mine.losses) == (STEPS, expected.losses)
    assert adapter_hash(out) == adapter_hash(undisturbed)
    assert mine.model_hash == expected.model_hash
    assert {path.name for path in out.iterdir()} == {path.name for path in undisturbed.iterdir()}


def assert_named_checkpoints_are_whole(out: Path) -> None:
    import torch
    from safetensors.torch import load_file

    for folder in (out / "checkpoints").glob("checkpoint-*"):
        assert json.loads((folder / "trainer_state.json").read_text())["global_step"] > 0
        assert load_file(folder / "adapter_model.safetensors")
        for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
            assert torch.load(folder / name, weights_only=False)  # random states are no tensors


def test_a_run_that_is_killed_at_every_dangerous_moment_ends_like_one_that_is_not(
    arguments: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    given = {**arguments, "out": tmp_path / "out"}
    for moment, event in DANGEROUS.items():
        assert in_a_fork(train, given, event) == -signal.SIGKILL, moment
        assert_named_checkpoints_are_whole(given["out"])
    assert in_a_fork(train, given) == 0
    assert_same_end(given["out"], undisturbed)


def test_a_run_that_is_killed_at_random_times_ends_like_one_that_is_not(
    arguments: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    given, draw = {**arguments, "out": tmp_path / "out"}, random.Random(17)
    ends = [in_a_fork(train, given, kill_after_seconds=draw.uniform(0.3, 3.0)) for _ in range(5)]
    assert set(ends) <= {-signal.SIGKILL, 0}
    assert_named_checkpoints_are_whole(given["out"])
    assert in_a_fork(train, given) == 0
    assert_same_end(given["out"], undisturbed)


def test_two_checkpoints_are_kept_and_their_size_is_that_of_what_is_trained(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    """Adapters and the optimiser's two float32 notes on each; the base's weights are not in them."""
    given = {**arguments, "out": tmp_path / "out"}
    assert in_a_fork(train, given, Moment("/adapter", "os.mkdir")) == -signal.SIGKILL
    folders = sorted((tmp_path / "out" / "checkpoints").glob("checkpoint-*"))
    assert [folder.name for folder in folders] == ["checkpoint-8", "checkpoint-9"]
    weights = (folders[0] / "adapter_model.safetensors").stat().st_size
    assert weights < (folders[0] / "optimizer.pt").stat().st_size < 3 * weights
    assert sum(p.stat().st_size for p in folders[0].iterdir()) < 3 * weights + 100_000


FULL = {
    "the first file of a checkpoint": ("checkpoint-6", 0.0),
    "a later file of a checkpoint": ("checkpoint-6", 1.5),
    "the adapter": ("adapter", 0.0),
    "the merged model": ("model", 1.5),
}
"""What there is no room for: the folder, and how many adapters' worth of bytes there is room for."""


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(train_on_a_full_disk, marks=needs_small_disks, id="full disk"),
        pytest.param(train_with_a_limit_on_files, id="limit on files"),
    ],
)
@pytest.mark.parametrize("what", FULL)
def test_a_full_disk_is_said_to_be_and_the_run_goes_on_when_there_is_room(
    run: Callable[..., None], what: str, arguments: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    folder, adapters = FULL[what]
    spare = int(adapters * (undisturbed / "adapter" / "adapter_model.safetensors").stat().st_size)
    out, answer = tmp_path / "disk" / "out", tmp_path / "answer.json"
    out.parent.mkdir()
    assert in_a_fork(run, {**arguments, "out": out}, Moment(f"/{folder}", "os.mkdir"), spare, answer) == 0
    told = json.loads(answer.read_text())
    report = TrainingReport.model_validate_json(told["report"])
    last = 4 if folder == "checkpoint-6" else STEPS

    assert f"/{folder}: it needs about" in told["said"]
    assert "MB are free" in told["said"]
    assert f"checkpoints/checkpoint-{last}" in told["left"]
    assert not [path for path in told["left"] if ".unfinished" in path or path.endswith(folder)]
    assert report.resumed_from_step == last
    assert (report.losses, told["adapter"]) == (report_in(undisturbed).losses, adapter_hash(undisturbed))
