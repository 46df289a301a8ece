"""A whole recipe, and reading one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from tuneloop.errors import RecipeError
from tuneloop.readable_files import is_missing
from tuneloop.recipes.data import Data
from tuneloop.recipes.evaluation import Evaluation
from tuneloop.recipes.review import Review
from tuneloop.recipes.section import Section
from tuneloop.recipes.training import Model, Search, Training
from tuneloop.yaml_files import Document, YamlError, read_yaml

SHOWN = 20
SHOWN_VALUE = 40
"""Problems, and characters of a wrong value, that a message shows."""


class Drift(Section):
    min_window_rows: int = Field(default=40, gt=0)
    window_rows: int = Field(default=200, gt=0)
    p_value: float = Field(default=0.01, gt=0, lt=1)
    min_effect: float = Field(default=0.02, ge=0, description="squared MMD below this is no drift, however significant")
    consecutive_windows: int = Field(default=1, ge=1)
    cooldown_hours: float = Field(default=24.0, ge=0, description="at most one drift event in this time")


class Recipe(Section):
    """Everything about one model that is kept up to date. See deployments/recipes/ for commented examples."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64, description="files and folders are named by it")
    description: str = ""
    data: Data
    model: Model
    training: Training = Training()
    search: Search = Search()
    evaluation: Evaluation = Evaluation()
    review: Review = Review()
    drift: Drift = Drift()

    @model_validator(mode="after")
    def _source_names_differ(self) -> Recipe:
        names = [s.name for s in self.data.sources]
        if len(set(names)) != len(names):
            raise ValueError(f"two data sources have the same name: {names}")
        return self

    @model_validator(mode="after")
    def _objective_fits_data(self) -> Recipe:
        if self.training.objective in {"dpo", "reward"} and self.data.kind != "preference":
            raise ValueError(
                f"training.objective: {self.training.objective} learns from pairs; set data.kind: preference"
            )
        return self


def load_recipe(path: str | Path) -> Recipe:
    """Read a recipe.

    Raises:
        RecipeError: no such file, not YAML, or keys that are wrong (the message names each, with its line).
    """
    path = Path(path)
    if is_missing(path):
        raise RecipeError(f"no recipe at {path}: see deployments/recipes/ for examples")
    try:
        document = read_yaml(path)
    except YamlError as error:
        raise RecipeError(f"{path} {error}") from error
    if not isinstance(document.value, dict):
        raise RecipeError(f"{path} is empty, or no list of keys and values: see deployments/recipes/ for examples")
    problems = list(document.problems)
    try:
        recipe = Recipe.model_validate(document.value)
    except ValidationError as error:
        problems += [_in_words(found, document) for found in error.errors()]
    if problems:
        shown = "; ".join(f"line {line}, {keys}: {text}" for line, keys, text in sorted(problems)[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise RecipeError(f"{path}: {shown}{more}")
    return recipe


def _in_words(found: Mapping[str, Any], document: Document) -> tuple[int, str, str]:
    """Line, keys and what is wrong there. The message repeats a value only where it is short."""
    text = "there is no such key; is it misspelt?" if found["type"] == "extra_forbidden" else str(found["msg"])
    text = text.removeprefix("Value error, ")
    value = found["input"]
    if isinstance(value, int | float | str) and found["type"] != "extra_forbidden" and len(str(value)) <= SHOWN_VALUE:
        text += f" (it is {value!r})"
    return document.line_of(found["loc"]), ".".join(map(str, found["loc"])) or "the recipe", text
