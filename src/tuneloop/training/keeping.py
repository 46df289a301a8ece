"""What a run leaves on disk while it goes, so that a killed one can go on and a finished one is not repeated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tuneloop.results import TrainingReport

FINGERPRINT = "arguments.sha256"
REPORT = "report.json"
CHECKPOINTS = "checkpoints"


def finished_report(out: Path, fingerprint: str) -> TrainingReport | None:
    """The report in `out`, if a run with these arguments has ended there."""
    if not (_noted(out) == fingerprint and (out / REPORT).is_file()):
        return None
    return TrainingReport.model_validate_json((out / REPORT).read_text(encoding="utf-8"))


def start_or_go_on(out: Path, fingerprint: str) -> None:
    """Note whose work `out` is, and remove what a run with other arguments has left there."""
    if out.is_dir() and _noted(out) != fingerprint:
        (out / REPORT).unlink(missing_ok=True)
        for name in (CHECKPOINTS, "adapter", "model"):
            shutil.rmtree(out / name, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    _write_whole(out / FINGERPRINT, fingerprint)


def finish(out: Path, report: TrainingReport) -> None:
    """Write the report, which says that all else is there, and remove the checkpoints."""
    _write_whole(out / REPORT, report.model_dump_json(indent=2))
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


def last_whole_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint whose last file is there; those that a kill cut short are removed."""
    for folder in sorted((out / CHECKPOINTS).glob("checkpoint-*"), key=step_of, reverse=True):
        try:
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            shutil.rmtree(folder)
        else:
            return folder
    return None


def step_of(checkpoint: Path) -> int:
    """The optimiser step a checkpoint was written at."""
    return int(checkpoint.name.rpartition("-")[2])


def _noted(out: Path) -> str | None:
    path = out / FINGERPRINT
    return path.read_text(encoding="ascii") if path.is_file() else None


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}-unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
