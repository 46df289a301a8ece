"""Watch for drift: compare production traffic with what the model was trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tuneloop.drift.traffic import TrafficRow, read_since
from tuneloop.drift.watching import watch
from tuneloop.ports import Embedder
from tuneloop.recipes import Recipe
from tuneloop.results import DriftReport, Round
from tuneloop.row_files import load_rows
from tuneloop.workspaces import drift_file, traffic_file


def watch_drift(
    recipe: Recipe,
    last: Round,
    *,
    workspace: Path,
    embedder: Embedder,
    announce: Callable[[DriftReport], None],
) -> tuple[DriftReport, Sequence[TrafficRow]]:
    """Test the newest window of traffic against the training rows of the latest round; returns the window's rows too.

    `announce` is called with the report of a drift, and again with the same one if it was cut off.
    """
    traffic = traffic_file(workspace, recipe.name)
    report = watch(
        reference_texts=[row.prompt for row in load_rows(Path(last.data.folder) / "train.parquet")],
        traffic_file=traffic,
        embedder=embedder,
        config=recipe.drift,
        state_file=drift_file(workspace, recipe.name),
        now=datetime.now(UTC),
        announce=announce,
    )
    return report, read_since(traffic)[-report.window_rows :] if report.window_rows else []
