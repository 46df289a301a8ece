"""A whole run on a tiny model: real NF4, LoRA, checkpoints, merge."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import LossPoint, TrainingReport
from tuneloop.training import fine_tune

pytestmark = pytest.mark.integration

CONFIG = Training(epochs=2, batch_size=4, learning_rate=5e-3, lora_rank=4, lora_alpha=8, save_every_steps=3)


@pytest.fixture(scope="session")
def arguments(tiny: Path, train_file: Path, validation_file: Path) -> dict[str, Any]:
    return {
        "base": tiny, "train_file": train_file, "validation_file": validation_file, "system_prompt": "Be brief.",
        "max_tokens": 400, "config": CONFIG, "data_version": "v1", "threads": 2,
    }  # fmt: skip


@pytest.fixture(scope="session")
def finished(arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingReport]:
    out = tmp_path_factory.mktemp("run") / "out"
    return out, fine_tune(out=out, **arguments)


def weights(folder: str) -> bytes:
    return (Path(folder) / "adapter_model.safetensors").read_bytes()


def adapter_types(folder: str) -> set[str]:
    from safetensors import safe_open

    with safe_open(Path(folder) / "adapter_model.safetensors", "pt") as file:
        return {file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 not a dictionary


def test_the_loss_falls_and_is_measured_through_the_run(finished: tuple[Path, TrainingReport]) -> None:
    _, report = finished
    evaluations = [point.eval_loss for point in report.losses if point.eval_loss is not None]
    assert report.steps == 12
    assert len(evaluations) == 4
    assert report.eval_loss == evaluations[-1] < evaluations[0]
    assert report.train_loss < report.losses[0].train_loss  # type: ignore[operator]


def test_the_report_says_what_was_trained_and_what_auto_became(finished: tuple[Path, TrainingReport]) -> None:
    _, report = finished
    assert report.quantised_layers == 14
    assert report.chosen["base_weights"] == "dequantised"
    assert adapter_types(report.adapter) == {"F32"}
    assert report.chosen["fused"] == "2 layers"
    assert report.tokens_per_second > 0
    assert report.cost.peak_rss_mib > 50


def test_adapter_and_merged_model_are_safetensors_and_agree(finished: tuple[Path, TrainingReport]) -> None:
    out, report = finished
    assert {p.name for p in out.iterdir()} == {"adapter", "model", "report.json", "arguments.sha256"}
    assert not [p for p in out.rglob("*") if p.suffix in {".bin", ".pt", ".pth"}]
    assert report.merge_max_logit_difference is not None
    assert report.merge_max_logit_difference < 0.1
    assert report.merge_rounding_share is not None
    assert 0 < report.merge_rounding_share < 0.1


def test_the_merged_model_needs_neither_base_nor_adapter(finished: tuple[Path, TrainingReport]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from tuneloop.chat import load_tokenizer, prompt_ids
    from tuneloop.records import Message

    folder = finished[1].model
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    ids = prompt_ids(load_tokenizer(Path(folder)), [Message("user", "The lamp is late.")], "Be brief.")
    assert model.generate(torch.tensor([ids]), max_new_tokens=2).shape[1] > len(ids)


def test_a_finished_run_is_not_repeated(finished: tuple[Path, TrainingReport], arguments: dict[str, Any]) -> None:
    out, report = finished
    start = time.perf_counter()
    assert fine_tune(out=out, **arguments) == report
    assert time.perf_counter() - start < 0.2


def test_a_run_that_was_stopped_goes_on_and_ends_with_the_same_weights(
    finished: tuple[Path, TrainingReport], arguments: dict[str, Any], tmp_path: Path
) -> None:
    def stop(point: LossPoint) -> None:
        if point.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fine_tune(out=tmp_path / "out", on_progress=stop, **arguments)
    broken = tmp_path / "out" / "checkpoints" / "checkpoint-7"
    broken.mkdir()
    (broken / "trainer_state.json").write_text('{"cut')
    report = fine_tune(out=tmp_path / "out", **arguments)
    assert report.resumed_from_step == 6
    assert report.steps == 12
    assert weights(report.adapter) == weights(finished[1].adapter)
    assert report.losses == finished[1].losses


def test_other_arguments_start_afresh(
    finished: tuple[Path, TrainingReport], arguments: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    (tmp_path / "arguments.sha256").write_text("another")
    report = fine_tune(out=tmp_path, **{**arguments, "config": CONFIG.model_copy(update={"epochs": 0.5})})
    assert (report.resumed_from_step, report.steps) == (0, 3)


def test_progress_is_reported_and_its_failure_does_not_stop_training(arguments: dict[str, Any], tmp_path: Path) -> None:
    seen: list[LossPoint] = []

    def report_badly(point: LossPoint) -> None:
        seen.append(point)
        raise ConnectionError("the dashboard is away")

    config = CONFIG.model_copy(update={"epochs": 0.5, "gradient_checkpointing": True, "base_weights": "packed"})
    report = fine_tune(out=tmp_path / "out", on_progress=report_badly, **{**arguments, "config": config})
    assert report.chosen["gradient_checkpointing"] == "on"
    assert [p.step for p in seen if p.train_loss is not None] == [1, 2, 3]
    assert any(p.eval_loss is not None for p in seen)


@pytest.mark.parametrize(("method", "quantised"), [("lora", 0), ("full", 0)])
def test_the_other_methods_train_too(arguments: dict[str, Any], tmp_path: Path, method: str, quantised: int) -> None:
    config = CONFIG.model_copy(update={"method": method, "epochs": 0.5})
    report = fine_tune(out=tmp_path / "out", **{**arguments, "config": config})
    assert report.quantised_layers == quantised
    assert (report.trainable_parameters == report.total_parameters) == (method == "full")
    assert (Path(report.model) / "model.safetensors").is_file()


def test_a_loss_that_explodes_ends_the_run_with_advice(arguments: dict[str, Any], tmp_path: Path) -> None:
    wild = CONFIG.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(TrainingError, match="learning_rate"):
        fine_tune(out=tmp_path / "out", **{**arguments, "config": wild})


def test_rows_that_are_all_too_long_are_said_to_be(arguments: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="max_tokens"):
        fine_tune(out=tmp_path / "out", **{**arguments, "max_tokens": 10})


KILLED = """
import json, os, signal, sys
from pathlib import Path
from tuneloop.recipes import Training
from tuneloop.training import fine_tune

given = json.loads(sys.argv[1])
paths = {name: Path(given.pop(name)) for name in ("base", "train_file", "validation_file", "out")}
fine_tune(**paths, **given | {"config": Training(**given["config"])},
          on_progress=lambda point: os.kill(os.getpid(), signal.SIGKILL) if point.step == 8 else None)
"""


@pytest.mark.slow
def test_a_killed_process_loses_nothing_but_the_steps_since_its_checkpoint(
    finished: tuple[Path, TrainingReport], arguments: dict[str, Any], tmp_path: Path
) -> None:
    given = {**arguments, "config": CONFIG.model_dump(), "out": tmp_path / "out"}
    killed = subprocess.run([sys.executable, "-c", KILLED, json.dumps(given, default=str)], check=False)
    assert killed.returncode == -signal.SIGKILL
    report = fine_tune(out=tmp_path / "out", **arguments)
    assert report.resumed_from_step == 6
    assert weights(report.adapter) == weights(finished[1].adapter)
