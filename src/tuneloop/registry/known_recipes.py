"""Which recipes this workspace has turned, and where their files are: `<workspace>/rounds/<recipe>/recipe.path`.

Whoever sees an answer sees only the review set that it belongs to; this is how the recipe is found again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tuneloop.files import atomic_write
from tuneloop.registry.rounds import rounds_folder

PATH_FILE = "recipe.path"


def note_recipe(workspace: Path, name: str, path: str) -> None:
    """Remember where the recipe is (relative to the project's root, or absolute); a moved one is found again."""
    atomic_write(rounds_folder(workspace, name) / PATH_FILE, path)


def known_recipes(workspace: Path) -> dict[str, str]:
    """Name -> path of every recipe that was turned here, in the order of their names."""
    files = sorted((workspace / "rounds").glob(f"*/{PATH_FILE}"))
    return {file.parent.name: file.read_text(encoding="utf-8") for file in files}


def recipe_of(review_set: str, known: Mapping[str, str]) -> str | None:
    """Name of the recipe that published the set; None: somebody else's. Of `tea` and `tea-green` the longer fits."""
    fitting = [name for name in known if review_set.startswith(f"{name}-")]
    return max(fitting, key=len, default=None)
