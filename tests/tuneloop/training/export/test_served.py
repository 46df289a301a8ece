"""What is served is made once, named by what it holds, and noticed when it changes."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tuneloop.training.export.test_merging import make_adapter
from tuneloop.errors import ModelError, RecipeError
from tuneloop.recipes import Model
from tuneloop.results import Cost, TrainingReport
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.export.served import (
    MADE_OF,
    MODULES,
    artefact_hash,
    require_engine,
    served_artefact,
    served_folder,
)

pytestmark = pytest.mark.integration

HAS_GGUF = all(map(find_spec, MODULES))
needs_gguf = pytest.mark.skipif(not HAS_GGUF, reason="needs the extra tuneloop[gguf]")


def report_of(model: Path, adapter: Path | None = None, base_hash: str = "b") -> TrainingReport:
    return TrainingReport(
        adapter=str(adapter or model), model=str(model), model_hash=folder_hash(model), base_hash=base_hash,
        data_version="d1", quantised_layers=0, trainable_parameters=1, total_parameters=1, steps=1,
        tokens_per_second=1.0, train_loss=1.0, eval_loss=None, losses=[], cost=Cost(seconds=1.0, peak_rss_mib=1.0),
    )  # fmt: skip


@pytest.fixture
def run(tiny: Path, tmp_path: Path) -> TrainingReport:
    return report_of(shutil.copytree(tiny, tmp_path / "run" / "model"))


@pytest.fixture
def made(run: TrainingReport, tmp_path: Path) -> Path:
    """An artefact as an earlier round left it; no test here reads the weights."""
    folder = tmp_path / "run" / "served-q8_0"
    folder.mkdir()
    (folder / "model-q8_0.gguf").write_bytes(b"GGUF weights")
    shutil.copy(Path(run.model) / "tokenizer.json", folder)
    (folder / "export.json").write_text("{}")
    record = {"model_hash": run.model_hash, "artefact_hash": artefact_hash(folder)}
    (folder / MADE_OF).write_text(json.dumps(record))
    return folder


def serve(run: TrainingReport, tmp_path: Path, artefact: str = "gguf-q8_0") -> tuple[Path, str]:
    return served_artefact(run, artefact, cache=tmp_path / "base", threads=1)


def test_a_merged_model_is_served_as_it_was_trained(run: TrainingReport, tmp_path: Path) -> None:
    assert serve(run, tmp_path, "merged") == (Path(run.model), run.model_hash)
    assert artefact_hash(Path(run.model)) == run.model_hash


def test_what_was_made_before_is_not_made_again(run: TrainingReport, made: Path, tmp_path: Path) -> None:
    assert served_folder(run, "gguf-q8_0") == made
    before = (made / "model-q8_0.gguf").stat().st_mtime_ns
    assert serve(run, tmp_path) == (made, artefact_hash(made))
    assert (made / "model-q8_0.gguf").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["model-q8_0.gguf", "tokenizer.json"])
def test_a_changed_artefact_has_another_hash_and_is_an_error(
    name: str, run: TrainingReport, made: Path, tmp_path: Path
) -> None:
    before = artefact_hash(made)
    with (made / name).open("ab") as file:
        file.write(b" ")
    assert artefact_hash(made) != before
    with pytest.raises(ModelError, match="its files changed"):
        serve(run, tmp_path)


def test_how_an_export_was_recorded_is_no_part_of_the_hash(made: Path) -> None:
    before = artefact_hash(made)
    (made / "export.json").write_text('{"tuneloop": "another version"}')
    assert artefact_hash(made) == before


@needs_gguf
def test_an_artefact_of_another_model_is_not_taken_and_stays_when_no_new_one_can_be_made(
    run: TrainingReport, made: Path, tmp_path: Path
) -> None:
    with (Path(run.model) / "config.json").open("a") as file:
        file.write("\n")
    before = artefact_hash(made)
    with pytest.raises(ModelError, match="converter refuses"):  # llama.cpp does not know the tiny model's tokenizer
        serve(report_of(Path(run.model)), tmp_path)
    assert artefact_hash(made) == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["model", "served-q8_0"]


@pytest.mark.skipif(HAS_GGUF, reason="the extra tuneloop[gguf] is installed")
def test_without_the_extra_a_recipe_that_serves_gguf_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"tuneloop\[gguf\]"):
        require_engine("gguf-f16")


def test_a_recipe_that_serves_merged_models_needs_no_extra() -> None:
    require_engine("merged")


@pytest.mark.slow
@needs_gguf
def test_a_trained_run_becomes_a_file_that_is_evaluated_as_it_is_served(tmp_path: Path) -> None:
    from tests.tuneloop.training.export.test_merging import PROBES
    from tuneloop.recipes import Training
    from tuneloop.training.base_models import BUNDLED
    from tuneloop.training.export.merging import merge_adapter

    base = prepare_base(Model(base=BUNDLED), tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "run" / "adapter", size=0.002)
    merge_adapter(base, adapter, tmp_path / "run" / "model", Training(method="lora"), PROBES)
    run = report_of(tmp_path / "run" / "model", adapter, folder_hash(base))
    folder, found = serve(run, tmp_path, "gguf-f16")
    assert found == artefact_hash(folder) != run.model_hash
    assert {"model-f16.gguf", "tokenizer.json", "config.json", "export.json", MADE_OF} <= {
        p.name for p in folder.iterdir()
    }
    shutil.rmtree(folder)
    assert serve(run, tmp_path, "gguf-f16") == (folder, found)
