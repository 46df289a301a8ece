"""How far earlier estimates were off on this machine, kept in the workspace, and what that says of a new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from tuneloop.results import Estimate, TrainingReport
from tuneloop.training.estimates.estimating import error

FILE = "estimates.jsonl"


def note(workspace: Path, report: TrainingReport) -> None:
    """Add a finished run: hardware, method, and truth over estimate. Runs that were cut off say nothing."""
    found = error(report)
    if report.estimate is None or not found:
        return
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "model_hash": report.model_hash,
        "hardware": report.estimate.hardware,
        "method": report.estimate.assumptions.get("method", ""),
        **{name: round(ratio, 4) for name, ratio in found.items()},
    }
    if line["model_hash"] in {known.get("model_hash") for known in _known(workspace)}:
        return
    with (workspace / FILE).open("a", encoding="utf-8") as file:  # one write of one line: safe with others' appends
        file.write(json.dumps(line) + "\n")


def corrected(workspace: Path, estimate: Estimate) -> Estimate:
    """The estimate with the time that runs of the same hardware and method really took, by the median of ratios."""
    same = [
        known["seconds"]
        for known in _known(workspace)
        if known["hardware"] == estimate.hardware and known["method"] == estimate.assumptions.get("method")
    ]
    if not same:
        return estimate
    ratio = median(same)
    said = f"time x {ratio:.2f}, the median of truth over estimate of {len(same)} earlier runs like this one"
    return estimate.model_copy(
        update={
            "seconds": estimate.seconds * ratio,
            "cost": None if estimate.cost is None else estimate.cost * ratio,
            "assumptions": estimate.assumptions | {"earlier runs": said},
        }
    )


def _known(workspace: Path) -> list[dict[str, Any]]:
    path = workspace / FILE
    if not path.is_file():
        return []
    return [known for line in path.read_text(encoding="utf-8").splitlines() if (known := _read(line)) is not None]


def _read(line: str) -> dict[str, Any] | None:
    """One noted run; None for a line that a kill cut short."""
    try:
        known = json.loads(line)
    except ValueError:
        return None
    return known if isinstance(known, dict) and isinstance(known.get("seconds"), float) else None
