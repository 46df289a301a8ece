"""`tuneloop train` on a tiny model, and its estimate with and without data."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.tiny_models import make_tiny_model
from tests.tuneloop.reports.data_examples import make_manifest
from tuneloop.cli import train_command
from tuneloop.cli.app import PlainErrors
from tuneloop.cli.training_display import duration
from tuneloop.data.snapshots import write_snapshot
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration
RECIPE = """
name: desk
data: {sources: [{name: s, path: rows.jsonl}], checks: {languages: []}}
model: {base: BASE, max_tokens: 128, licence: apache-2.0}
training: {method: lora, epochs: 1, batch_size: 4, lora_rank: 2}
"""
TuneLoop = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture
def tuneloop(tmp_path: Path, base: Path) -> TuneLoop:
    (tmp_path / "desk.yaml").write_text(RECIPE.replace("BASE", str(base)))
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)  # with one command alone typer would leave out its name
    train_command.register(app)

    def run(*arguments: str, **environment: str) -> Result:
        here = {"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws", "TUNELOOP_THREADS": "1"}
        return CliRunner().invoke(app, ["train", *arguments], env=here | environment)

    return run


@pytest.fixture
def version(tmp_path: Path) -> str:
    def describe(version: str, _: Any) -> Any:
        counts = {"train": 8, "validation": 2, "test": 0}
        return make_manifest(version, rows=counts, lengths={"train": [20, 30, 40], "validation": [20]})

    rows = [("train" if n < 8 else "validation", row(n)) for n in range(10)]
    texts = [(split, r.id, "cluster", json.dumps(r.to_json())) for split, r in rows]
    return write_snapshot(tmp_path / "ws", rows=texts, quarantine=[], config={}, describe=describe).name


def row(number: int) -> Record:
    return Record(f"r{number}", (Message("user", "late " * number), Message("assistant", "Here.")), "s", number + 1)


def test_without_a_data_version_training_says_how_to_make_one(tuneloop: TuneLoop) -> None:
    result = tuneloop("desk.yaml")
    assert result.exit_code == 1
    assert "tuneloop run" in result.output


def test_training_ends_with_losses_and_the_folder_and_is_not_repeated(tuneloop: TuneLoop, version: str) -> None:
    first = tuneloop("desk.yaml", "--json")
    assert first.exit_code == 0, first.output
    report = json.loads(first.stdout)
    assert (report["data_version"], report["steps"]) == (version, 2)
    assert Path(report["adapter"]).is_dir()
    again = tuneloop("desk.yaml", "--data", version[:4])
    assert "2 steps: loss" in again.output
    assert "merged in bf16: rounding changes predictions by" in again.output
    assert str(Path(report["adapter"]).parent) in again.output
    assert json.loads(tuneloop("desk.yaml", "--json").stdout)["cost"] == report["cost"]


def test_only_the_first_of_several_processes_prints(tuneloop: TuneLoop, version: str) -> None:
    assert version
    assert tuneloop("desk.yaml", "--json").exit_code == 0
    assert tuneloop("desk.yaml", RANK="1").stdout == ""


def test_an_estimate_counts_rows_and_tokens_of_the_data_version(tuneloop: TuneLoop, version: str) -> None:
    result = tuneloop("desk.yaml", "--estimate", "--hardware", "l4", "--price-per-hour", "1.5", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["fits"]
    assert version in found["assumptions"]["data"]
    assert found["assumptions"]["rows"].startswith("8 of 30 tokens, 120 in")
    assert found["cost"] == pytest.approx(found["seconds"] / 3600 * 1.5)


def test_an_estimate_without_a_data_version_counts_the_sources(tuneloop: TuneLoop, tmp_path: Path) -> None:
    lines = [json.dumps({"prompt": "x" * 40, "completion": "y" * 36}) for _ in range(50)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    found = json.loads(tuneloop("desk.yaml", "--estimate", "--hardware", "t4", "--json").stdout)
    assert "50 rows of the sources" in found["assumptions"]["data"]
    assert found["assumptions"]["rows"].startswith("40 of 20 tokens")


def test_an_estimate_without_any_rows_says_what_it_assumed(tuneloop: TuneLoop) -> None:
    result = tuneloop("desk.yaml", "--estimate", "--hardware", "h100")
    assert result.exit_code == 0
    assert "assumed, 1000 rows of 64 tokens" in result.output
    assert "It fits." in result.output


def test_a_model_that_is_too_large_is_told_what_to_change(tuneloop: TuneLoop, tmp_path: Path) -> None:
    from transformers import LlamaConfig

    large = LlamaConfig(hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64,
                        num_key_value_heads=8, vocab_size=128256)  # fmt: skip
    large.save_pretrained(tmp_path / "large")
    (tmp_path / "large.yaml").write_text(RECIPE.replace("BASE", str(tmp_path / "large")))
    result = tuneloop("large.yaml", "--estimate", "--hardware", "a100-80")
    assert result.exit_code == 1
    assert "It does not fit. This does" in result.output
    assert "method: qlora" in result.output


def test_hardware_is_for_estimates_only(tuneloop: TuneLoop) -> None:
    assert tuneloop("desk.yaml", "--hardware", "h100").exit_code == 2


@pytest.mark.parametrize(("seconds", "said"), [(45, "45 s"), (720, "12 min"), (12000, "3 h 20 min")])
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_registering_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, typer; from tuneloop.cli import train_command; train_command.register(typer.Typer())\n"
        "print([m for m in ('torch', 'transformers', 'pydantic', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
