"""When two trainings are the same one, and where its folder is."""

from __future__ import annotations

from pathlib import Path

from tuneloop.recipes import Recipe
from tuneloop.records import content_hash

KEY_DIGITS = 16


def training_key(recipe: Recipe, base_hash: str, data_version: str) -> str:
    """Equal keys would train the same model again."""
    return content_hash(
        {
            "recipe": recipe.name,
            "base": base_hash,
            "data": data_version,
            "training": recipe.training.model_dump(),
            "system_prompt": recipe.model.system_prompt,
            "max_tokens": recipe.model.max_tokens,
        }
    )[:KEY_DIGITS]


def training_folder(workspace: Path, recipe: Recipe, base_hash: str, data_version: str) -> Path:
    """Where this training writes, whoever starts it: what one has begun or finished, another finds."""
    return workspace / "models" / recipe.name / training_key(recipe, base_hash, data_version)
