"""Export a trained model as an adapter, a merged model or GGUF, with a model card and a record of its origin."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from tuneloop import __version__
from tuneloop.errors import ModelError
from tuneloop.files import contents_hash, file_digests
from tuneloop.results import TrainingReport
from tuneloop.training.base_models import Origin, folder_hash, origin_of
from tuneloop.training.export.check import check_gguf
from tuneloop.training.export.gguf_files import Precision, write_gguf

USE = {
    "adapter": "Load it with PEFT on exactly this base: `PeftModel.from_pretrained(base, FOLDER)`.",
    "merged": "Load it with transformers: `AutoModelForCausalLM.from_pretrained(FOLDER)`.",
    "gguf": "Serve it with llama.cpp: `llama-server -m FILE`.",
}


def model_card(record: Mapping[str, Any]) -> str:
    """Markdown with the front matter that hubs read; `record` is what goes into export.json."""
    return "\n".join([*_front_matter(record), "", *_body(record), ""])


def _front_matter(record: Mapping[str, Any]) -> list[str]:
    base = record["base"]
    library = "peft" if record["form"] == "adapter" else "transformers"
    lines = [f"license: {base['licence']}"] if base["licence"] else []
    lines += [f"base_model: {base['id']}"] if base["id"] and "/" in base["id"] else []
    return ["---", *lines, f"library_name: {library}", "pipeline_tag: text-generation", "---"]


def _body(record: Mapping[str, Any]) -> list[str]:
    base = record["base"]
    name = base["id"] or "an unrecorded base model"
    lines = [
        f"# Fine-tuned from {name}",
        "",
        USE[record["form"]],
        "",
        f"- base: {name}, revision {base['revision'] or 'none'}, SHA-256 {base['hash']}",
        f"- licence of the base: {base['licence'] or 'not recorded; look it up before you pass this on'}",
        f"- data version: {record['data_version']}",
        f"- model: SHA-256 {record['model_hash']}",
        f"- written by tuneloop {record['tuneloop']}; hashes of all files are in export.json",
    ]
    check = record.get("check")
    if check and "divergence" in check:
        lines.append(
            f"- checked in llama.cpp against the {check['against']}: {check['divergence']:.5f} nats per token over "
            f"{check['tokens']} tokens, {check['same_answers']} of {check['prompts']} greedy answers the same"
        )
    return lines


Form = Literal["adapter", "merged", "gguf"]
RECORD = "export.json"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


def export_run(
    report: TrainingReport,
    *,
    form: Form,
    precision: Precision,
    out: Path,
    cache: Path,
    threads: int | None = None,
) -> dict[str, Any]:
    """Write what a run has learned into the folder `out`, with a model card and `export.json`; returns the latter.

    `export.json` holds the base (id, revision, licence, hash), the data version, a SHA-256 of every file and, for GGUF,
    how its answers were checked. No row's text is in it. The folder is replaced whole or not at all.

    Args:
        report: of the run.
        form: `adapter` (PEFT, safetensors), `merged` (transformers, safetensors) or `gguf` (llama.cpp).
        precision: of the weights in a GGUF file.
        out: folder to write; one that exists is replaced only if an export wrote it.
        cache: where `prepare_base` keeps base models and their records.
        threads: CPU threads for the check; None: all we may use.

    Raises:
        ModelError: the run's files are gone or changed, there is no adapter, GGUF cannot be written, or the file does
            not answer as the model does.
    """
    _require_ours(out)
    _require_whole(report)
    origin = None if report.adapter == report.model else origin_of(_base_of(report), cache)
    unfinished = out.with_name(f".{out.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        check = _write(report, form, precision, unfinished, origin, threads or len(os.sched_getaffinity(0)))
        record = _record(report, form, precision, origin) | {"files": _hashes(unfinished), "check": check}
        (unfinished / "README.md").write_text(model_card(record), encoding="utf-8")
        (unfinished / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        unfinished.replace(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return record


def _write(
    report: TrainingReport, form: Form, precision: Precision, out: Path, origin: Origin | None, threads: int
) -> dict[str, float | int | str] | None:
    """Write the files; returns how they were checked."""
    writers: dict[Form, Callable[[], Any]] = {
        "adapter": lambda: _write_adapter(Path(report.adapter), out, origin),
        "merged": lambda: shutil.copytree(report.model, out, dirs_exist_ok=True),
        "gguf": lambda: write_gguf(Path(report.model), out / f"model-{precision}.gguf", precision),
    }
    writers[form]()
    if form == "merged" and report.merge_max_logit_difference is not None:
        return {"against": "adapter on its base", "max_logit_difference": report.merge_max_logit_difference}
    if form == "gguf":
        return asdict(check_gguf(report, out / f"model-{precision}.gguf", precision, threads=threads))
    return None


def _write_adapter(adapter: Path, out: Path, origin: Origin | None) -> None:
    """Copy the adapter, naming its base by id and commit, not by a path of this machine."""
    for name in ADAPTER_FILES:
        shutil.copy(adapter / name, out / name)
    config = json.loads((out / "adapter_config.json").read_text(encoding="utf-8"))
    named = Path(config["base_model_name_or_path"]).name
    config["base_model_name_or_path"] = _public_name(origin) or named
    config["revision"] = origin.revision if origin else None
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def _record(report: TrainingReport, form: Form, precision: Precision, origin: Origin | None) -> dict[str, Any]:
    return {
        "tuneloop": __version__,
        "form": form,
        "precision": precision if form == "gguf" else None,
        "model_hash": report.model_hash,
        "data_version": report.data_version,
        "base": {
            "id": _public_name(origin),
            "revision": origin.revision if origin else None,
            "licence": origin.licence if origin else None,
            "hash": report.base_hash,
        },
    }


def _hashes(folder: Path) -> dict[str, str]:
    hashes = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            hashes[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def _public_name(origin: Origin | None) -> str | None:
    """Hub id or package as it is; of a folder only its name, because paths tell about the machine."""
    if origin is None:
        return None
    return Path(origin.folder).name if Path(origin.base).expanduser().is_dir() else origin.base


def _base_of(report: TrainingReport) -> Path:
    config = json.loads((Path(report.adapter) / "adapter_config.json").read_text(encoding="utf-8"))
    return Path(config["base_model_name_or_path"])


def _require_ours(out: Path) -> None:
    if out.exists() and not (out / RECORD).is_file() and any(out.iterdir()):
        raise ModelError(f"{out} is not empty and holds no export; name another folder with --out")


def _require_whole(report: TrainingReport) -> None:
    """The merged model is what was judged: only exactly that leaves the house, and with it the adapter of its run."""
    if not report.model or not (Path(report.model) / "config.json").is_file():
        raise ModelError(f"the run's model is not at {report.model or 'any place'} any more; train it again")
    if folder_hash(Path(report.model)) != report.model_hash:
        raise ModelError(f"{report.model} is not the model that was evaluated: its files changed; train it again")
    if report.adapter == report.model:
        return
    if not all((Path(report.adapter) / name).is_file() for name in ADAPTER_FILES):
        raise ModelError(f"the run's adapter is not at {report.adapter} any more; train it again")
    if report.adapter_hash and contents_hash(file_digests(Path(report.adapter))) != report.adapter_hash:
        raise ModelError(f"{report.adapter} is not the adapter that was trained: its files changed; train it again")
    base = _base_of(report)
    if not base.is_dir() or folder_hash(base) != report.base_hash:
        raise ModelError(f"{base} is not there or not the base that {report.adapter} was trained on; restore it")
