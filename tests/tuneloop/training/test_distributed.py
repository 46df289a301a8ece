"""Two processes take the steps of one, and a launched training is the same call with the same report."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import LossPoint, TrainingReport
from tuneloop.training import fine_tune
from tuneloop.training.distributed import Processes, meet, summed, trainer_arguments
from tuneloop.training.launching import EXCHANGE, TrainingCall, launch

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CONFIG = Training(epochs=2, batch_size=8, learning_rate=5e-3, lora_rank=4, lora_alpha=8, save_every_steps=2)
TWO = "torchrun --nproc-per-node 2"
ACCELERATE = Path(__file__).parents[3] / "deployments" / "accelerate"


@pytest.fixture
def call(tiny: Path, train_file: Path, validation_file: Path, tmp_path: Path) -> Callable[..., TrainingCall]:
    def make(**changes: Any) -> TrainingCall:
        return TrainingCall(
            base=tiny, train_file=train_file, validation_file=validation_file, out=tmp_path / "two",
            system_prompt="Be brief.", max_tokens=400, config=CONFIG.model_copy(update=changes), data_version="v1",
            threads=1, merge=False,
        )  # fmt: skip

    return make


def alone(call: TrainingCall, out: Path) -> TrainingReport:
    """The same training in this process."""
    arguments = {name: getattr(call, name) for name in TrainingCall.model_fields if name not in {"exchange", "out"}}
    return fine_tune(out=out, **arguments)


def train_losses(report: TrainingReport) -> list[float]:
    return [point.train_loss for point in report.losses if point.train_loss is not None]


def eval_losses(report: TrainingReport) -> list[float]:
    return [point.eval_loss for point in report.losses if point.eval_loss is not None]


def test_two_processes_train_as_one_does(call: Callable[..., TrainingCall], tmp_path: Path) -> None:
    seen: list[LossPoint] = []
    one = alone(call(), tmp_path / "one")
    two = launch(TWO, call(), on_progress=seen.append)
    assert two.chosen == one.chosen
    assert two.steps == one.steps == 6
    assert train_losses(two) == pytest.approx(train_losses(one), rel=1e-3)
    assert eval_losses(two) == pytest.approx(eval_losses(one), rel=1e-3)
    assert train_losses(one)[-1] < 0.9 * train_losses(one)[0], "or equal losses would say little"
    assert [point.train_loss for point in seen if point.train_loss is not None] == train_losses(two)
    assert not (tmp_path / "two" / EXCHANGE).exists()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"step": "trl"}, {"batch_size": 4, "gradient_accumulation": 2}])
def test_so_they_do_by_the_library_s_step_and_with_accumulated_gradients(
    call: Callable[..., TrainingCall], tmp_path: Path, changes: dict[str, Any]
) -> None:
    one = alone(call(**changes), tmp_path / "one")
    two = launch(TWO, call(**changes))
    assert train_losses(two) == pytest.approx(train_losses(one), rel=1e-3)
    # the library's evaluation is a mean over batches, and fills up the last one
    assert eval_losses(two) == pytest.approx(eval_losses(one), rel=1e-2 if "step" in changes else 1e-3)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_the_next_one_goes_on(call: Callable[..., TrainingCall]) -> None:
    long = call(epochs=20, save_every_steps=5)

    def kill_the_second(_: LossPoint) -> None:
        ranks = {rank_of(child): child for child in psutil.Process().children(recursive=True)}
        if "1" in ranks and any((long.out / "checkpoints").glob("checkpoint-*")):
            ranks["1"].send_signal(signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"log\.txt"):
        launch(TWO, long, on_progress=kill_the_second)
    report = launch(TWO, long)
    assert report.resumed_from_step > 0
    assert report.steps == 60


@pytest.mark.slow
def test_an_error_of_a_process_is_the_launch_s_error(call: Callable[..., TrainingCall]) -> None:
    with pytest.raises(TrainingError, match=r"batch_size.*cannot be shared out evenly among 2"):
        launch(TWO, call(batch_size=3))


def rank_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("RANK")
    except psutil.Error:
        return None


def test_a_process_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert meet() == Processes()
    assert Processes().once(lambda: 7) == 7
    assert summed(1.0, 2.0) == (1.0, 2.0)
    assert trainer_arguments(CONFIG, Processes()) == {}


def test_a_batch_that_cannot_be_shared_out_is_refused() -> None:
    with pytest.raises(TrainingError, match="make it a multiple"):
        trainer_arguments(CONFIG, Processes(rank=0, count=3))


def test_fsdp_on_a_cpu_is_refused_rather_than_quietly_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there are GPUs here")
    for name, value in {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "ACCELERATE_USE_FSDP": "true"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"ddp-cpu\.yaml"):
        meet()


def environment_of(config: Path) -> tuple[Any, dict[str, str]]:
    """What `accelerate launch` itself makes of a configuration: (arguments, environment of the processes)."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_multi_gpu_env

    given = launch_command_parser().parse_args(["--config_file", str(config), "-m", "tuneloop.training", "x.json"])
    arguments, _, _ = _validate_launch_command(given)
    return arguments, prepare_multi_gpu_env(arguments)


@pytest.mark.parametrize("name", ["ddp-cpu", "ddp", "ddp-two-machines", "fsdp-qlora"])
def test_accelerate_reads_each_shipped_configuration_as_torchrun_with_that_many_processes(name: str) -> None:
    arguments, _ = environment_of(ACCELERATE / f"{name}.yaml")
    assert arguments.multi_gpu or arguments.use_fsdp, "anything else starts a single process"
    per_machine = {"ddp-cpu": "2", "ddp": "8", "ddp-two-machines": "8", "fsdp-qlora": "8"}
    assert arguments.nproc_per_node == per_machine[name]
    assert bool(arguments.use_cpu) == (name == "ddp-cpu")


def test_every_configuration_in_the_folder_is_tested() -> None:
    assert {path.stem for path in ACCELERATE.glob("*.yaml")} == {"ddp-cpu", "ddp", "ddp-two-machines", "fsdp-qlora"}


def test_two_machines_meet_at_the_first_one_s_address() -> None:
    arguments, _ = environment_of(ACCELERATE / "ddp-two-machines.yaml")
    assert (arguments.nnodes, arguments.node_rank) == ("2", 0)
    assert arguments.rdzv_endpoint.endswith(":29500")


def test_the_fsdp_configuration_is_the_one_for_quantised_weights() -> None:
    _, environment = environment_of(ACCELERATE / "fsdp-qlora.yaml")
    wanted = {
        "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1", "FSDP_SHARDING_STRATEGY": "FULL_SHARD",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
        "FSDP_SYNC_MODULE_STATES": "true", "FSDP_USE_ORIG_PARAMS": "false",
    }  # fmt: skip
    assert wanted.items() <= environment.items()


PLAYS_A_TRAINING = """#!{python}
import json, os, sys, time
from pathlib import Path
exchange = Path(json.loads(Path(sys.argv[3]).read_text())["exchange"])
def loss(step):
    with (exchange / "progress.jsonl").open("a") as file:
        file.write(json.dumps({{"step": step, "epoch": 0.5, "train_loss": 2.0, "max_steps": 9}}) + "\\n")
def failure(rank, known, text, at):
    failure = {{"rank": rank, "known": known, "text": text, "at": at}}
    (exchange / f"failure-{{rank}}.json").write_text(json.dumps(failure))
{plot}
"""


def launcher_that(plot: str, folder: Path) -> str:
    program = folder / "pretender"
    program.write_text(PLAYS_A_TRAINING.format(python=sys.executable, plot=plot))
    program.chmod(0o755)
    return str(program)


def test_losses_come_while_it_runs_and_a_broken_receiver_does_not_stop_it(
    call: Callable[..., TrainingCall], tmp_path: Path
) -> None:
    seen: list[int] = []

    def receive(point: LossPoint) -> None:
        seen.append(point.step)
        raise ConnectionError("the dashboard is away")

    launcher = launcher_that("loss(1); time.sleep(1.2); loss(2)", tmp_path)
    with pytest.raises(FileNotFoundError):  # the pretender writes no report
        launch(launcher, call(), on_progress=receive)
    assert seen == [1, 2]


def test_the_first_cause_is_told_not_what_the_others_saw_of_it(
    call: Callable[..., TrainingCall], tmp_path: Path
) -> None:
    plot = "failure(0, False, 'Connection closed by peer', 1.0); failure(1, True, 'the loss climbs', 2.0); sys.exit(1)"
    with pytest.raises(TrainingError, match=r"^the loss climbs$"):
        launch(launcher_that(plot, tmp_path), call())


def test_a_process_that_left_no_reason_is_said_to_have_left_none(
    call: Callable[..., TrainingCall], tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"code 9.*log\.txt"):
        launch(launcher_that("print('noise'); sys.exit(9)", tmp_path), call())
    assert (tmp_path / "two" / EXCHANGE / "log.txt").read_text() == "noise\n"


def test_a_launcher_that_is_not_there_is_named(call: Callable[..., TrainingCall]) -> None:
    with pytest.raises(TrainingError, match="TUNELOOP_LAUNCHER"):
        launch("no-such-launcher --fast", call())


def test_stopping_the_flow_stops_what_it_launched(call: Callable[..., TrainingCall], tmp_path: Path) -> None:
    def cancel(_: LossPoint) -> None:
        raise KeyboardInterrupt

    plot = "(exchange / 'pid').write_text(str(os.getpid())); loss(1); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        launch(launcher_that(plot, tmp_path), call(), on_progress=cancel)
    pid = int((tmp_path / "two" / EXCHANGE / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_call_survives_its_way_through_json(call: Callable[..., TrainingCall]) -> None:
    given = call(step="fused")
    assert TrainingCall.model_validate(json.loads(given.model_dump_json())) == given
