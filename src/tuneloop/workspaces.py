"""Where in a workspace things are that several parts of the software write and read."""

from __future__ import annotations

from pathlib import Path


def base_models(workspace: Path) -> Path:
    return workspace / "models" / "base"


def feedback_folder(workspace: Path, recipe: str) -> Path:
    return workspace / "feedback" / recipe


def traffic_file(workspace: Path, recipe: str) -> Path:
    return workspace / "traffic" / f"{recipe}.jsonl"


def drift_file(workspace: Path, recipe: str) -> Path:
    """State of the drift watch."""
    return workspace / "drift" / f"{recipe}.json"


def generations(workspace: Path) -> Path:
    """Cache of models' answers, by model and prompt."""
    return workspace / "generations"
