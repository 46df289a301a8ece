"""Bases are safetensors folders, whatever they were asked for by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tuneloop.chat import IGNORED, example_ids, load_tokenizer
from tuneloop.errors import ModelError
from tuneloop.recipes import Model
from tuneloop.records import Message, Record
from tuneloop.training.base_models import BUNDLED, Listing, folder_hash, origin_of, prepare_base

pytestmark = pytest.mark.integration


@pytest.fixture
def licensed(tiny: Path, tmp_path: Path) -> Path:
    """A base model of one's own, with a card."""
    folder = shutil.copytree(tiny, tmp_path / "licensed")
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


class FakeHub:
    """A hub with one model in a folder. `asked` is what it was asked for, in order."""

    def __init__(self, folder: Path, *, licence: str | None = "mit", commit: str = "a" * 40) -> None:
        self.folder, self.licence, self.commit, self.asked = folder, licence, commit, []

    def look_up(self, name: str, revision: str | None) -> Listing:
        self.asked.append(f"look up {name} {revision}")
        return Listing(self.commit, self.licence, tuple(path.name for path in self.folder.iterdir()))

    def download(self, name: str, commit: str, cache: Path) -> Path:
        self.asked.append(f"download {name} {commit}")
        return shutil.copytree(self.folder, cache / "hub" / commit, dirs_exist_ok=True)


def bare(folder: Path, **files: str | bytes) -> Model:
    """A recipe's model section for a folder with these files (`config_json` for config.json) and a stated licence."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / ".".join(name.rsplit("_", 1))).write_bytes(raw)
    return Model(base=str(folder), licence="mit")


def test_a_folder_with_safetensors_is_taken_as_it_is(licensed: Path, cache: Path) -> None:
    assert prepare_base(Model(base=str(licensed)), cache) == licensed


def test_a_folder_whose_licence_is_not_known_is_refused_until_the_recipe_states_it(tiny: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match=r"licence of .* is not known"):
        prepare_base(Model(base=str(tiny)), cache)
    assert prepare_base(Model(base=str(tiny), licence="mit"), cache) == tiny


def test_a_folder_with_pickled_weights_only_is_refused_with_advice(tmp_path: Path, cache: Path) -> None:
    model = bare(tmp_path / "m", config_json="{}", pytorch_model_bin=b"\x80\x04.")
    with pytest.raises(ModelError, match="safetensors") as refused:
        prepare_base(model, cache)
    assert "save_pretrained" in str(refused.value)


@pytest.mark.parametrize("file", ["config_json", "tokenizer_config_json", "processor_config_json"])
def test_a_model_that_brings_its_own_code_is_refused(file: str, tmp_path: Path, cache: Path) -> None:
    code = json.dumps({"auto_map": {"AutoModel": "modeling.Model"}})
    model = bare(tmp_path / "m", **{"config_json": "{}", "model_safetensors": b"", file: code})
    with pytest.raises(ModelError, match="never run"):
        prepare_base(model, cache)


@pytest.mark.parametrize("beginning", [b"\x80\x04", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model"])
def test_a_pickle_under_another_name_is_refused(beginning: bytes, name: str, licensed: Path, cache: Path) -> None:
    (licensed / name).write_bytes(beginning + b"rest")
    with pytest.raises(ModelError, match=f"{name} is a pickle"):
        prepare_base(Model(base=str(licensed)), cache)


def test_a_broken_weights_file_is_named(licensed: Path, cache: Path) -> None:
    (licensed / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ModelError, match=r"model\.safetensors is no whole safetensors"):
        prepare_base(Model(base=str(licensed)), cache)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "../elsewhere.safetensors"])
def test_an_index_may_only_name_safetensors_beside_it(name: str, licensed: Path, cache: Path) -> None:
    (licensed / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(ModelError, match="no safetensors file beside it"):
        prepare_base(Model(base=str(licensed)), cache)


def test_an_adapter_is_no_base_because_loading_it_would_load_another_model(licensed: Path, cache: Path) -> None:
    (licensed / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="is an adapter"):
        prepare_base(Model(base=str(licensed)), cache)


@pytest.mark.parametrize("base", ["./not/there", "package:other", "/nowhere"])
def test_a_base_that_does_not_exist_is_named(base: str, cache: Path) -> None:
    with pytest.raises(ModelError, match=base):
        prepare_base(Model(base=base), cache)


def test_a_folder_without_a_model_is_refused(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        prepare_base(bare(tmp_path / "m"), cache)


def test_what_a_base_is_gets_recorded(licensed: Path, cache: Path) -> None:
    prepare_base(Model(base=str(licensed)), cache)
    origin = origin_of(licensed, cache)
    assert origin is not None
    assert (origin.licence, origin.revision) == ("apache-2.0", None)
    assert "model.safetensors" in origin.files


def test_weights_that_changed_since_first_use_are_an_error_that_says_so(licensed: Path, cache: Path) -> None:
    prepare_base(Model(base=str(licensed)), cache)
    with (licensed / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"no longer the base model.*model\.safetensors changed.*delete"):
        prepare_base(Model(base=str(licensed)), cache)


def test_a_licence_stated_later_is_recorded_and_one_taken_back_blocks_again(tiny: Path, cache: Path) -> None:
    prepare_base(Model(base=str(tiny), licence="mit"), cache)
    prepare_base(Model(base=str(tiny), licence="gemma", licences=("gemma",)), cache)
    origin = origin_of(tiny, cache)
    assert origin is not None
    assert origin.licence == "gemma"
    with pytest.raises(ModelError, match="gemma"):
        prepare_base(Model(base=str(tiny), licence="gemma"), cache)


def test_a_branch_on_the_hub_becomes_the_commit_it_was_and_is_not_asked_for_again(tiny: Path, cache: Path) -> None:
    hub = FakeHub(tiny)
    model = Model(base="org/model", revision="main")
    folder = prepare_base(model, cache, hub=hub)
    assert hub.asked == ["look up org/model main", f"download org/model {'a' * 40}"]
    hub.commit = "b" * 40
    assert prepare_base(model, cache, hub=hub) == folder
    assert len(hub.asked) == 2
    origin = origin_of(folder, cache)
    assert origin is not None
    assert (origin.base, origin.revision, origin.licence) == ("org/model", "a" * 40, "mit")


@pytest.mark.parametrize("licence", ["llama3.1", None])
def test_nothing_is_downloaded_before_the_licence_is_cleared(licence: str | None, tiny: Path, cache: Path) -> None:
    hub = FakeHub(tiny, licence=licence)
    with pytest.raises(ModelError, match="licence"):
        prepare_base(Model(base="org/model"), cache, hub=hub)
    assert hub.asked == ["look up org/model None"]
    agreed = Model(base="org/model", licence=None if licence else "llama3.1", licences=("llama3.1",))
    assert prepare_base(agreed, cache, hub=hub).is_dir()


def test_nothing_is_downloaded_of_a_model_without_safetensors(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match="no safetensors weights on the hub"):
        prepare_base(Model(base="org/model"), cache, hub=FakeHub(tmp_path))


def test_the_hash_says_what_a_model_is_not_where_it_is(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert folder_hash(copy) == folder_hash(tiny)
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert folder_hash(copy) != folder_hash(tiny)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_base(Model(base=BUNDLED), tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_the_bundled_model_has_the_token_ids_of_the_original(smollm2: Path) -> None:
    tokenizer = load_tokenizer(smollm2)
    ids = tokenizer("Hello world, order 1234 isn't here\n\n  x")["input_ids"]
    assert ids == [19556, 905, 28, 1686, 216, 33, 34, 35, 36, 3247, 982, 1535, 8866, 1792]
    # Without the correction the two blanks are two tokens.
    assert tokenizer("  1 2")["input_ids"] == [256, 33, 216, 34]
    assert tokenizer("The capital of France is Paris.")["input_ids"] == [504, 3575, 282, 4649, 314, 7042, 30]


@pytest.mark.slow
def test_converting_again_takes_what_is_there(smollm2: Path) -> None:
    before = (smollm2 / "model.safetensors").stat().st_mtime_ns
    assert prepare_base(Model(base=BUNDLED), smollm2.parent) == smollm2
    assert (smollm2 / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_in_smollm2_only_the_answer_and_its_end_carry_loss(smollm2: Path) -> None:
    tokenizer = load_tokenizer(smollm2)
    row = Record("r1", (Message("user", "Hi 42"), Message("assistant", "Yes.")), "tests", 1)
    ids, labels = example_ids(tokenizer, row, "")
    masked = [tokenizer.decode([i]) for i, label in zip(ids, labels, strict=True) if label == IGNORED]
    print("masked:", masked)
    assert "".join(masked) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi 42<|im_end|>\n<|im_start|>assistant\n"
    )
    assert [tokenizer.decode([i]) for i in labels if i != IGNORED] == ["Yes", ".", "<|im_end|>"]


@pytest.mark.slow
def test_the_bundled_model_knows_the_capital_of_france(smollm2: Path) -> None:
    import torch

    from tuneloop.chat import prompt_ids
    from tuneloop.training.loading import load_base

    tokenizer = load_tokenizer(smollm2)
    model = load_base(smollm2, dtype=torch.bfloat16, attention="sdpa", device="cpu")
    ids = prompt_ids(tokenizer, [Message("user", "What is the capital of France?")], "")
    new = model.generate(torch.tensor([ids]), max_new_tokens=16, do_sample=False)[0, len(ids) :]
    assert "Paris" in tokenizer.decode(new)
