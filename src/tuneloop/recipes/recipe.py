"""A whole recipe, and reading one."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from tuneloop.errors import RecipeError
from tuneloop.recipes.data import Data
from tuneloop.recipes.evaluation import Evaluation
from tuneloop.recipes.review import Review
from tuneloop.recipes.section import Section
from tuneloop.recipes.training import Model, Search, Training


class Drift(Section):
    min_window_rows: int = Field(default=40, gt=0)
    window_rows: int = Field(default=200, gt=0)
    p_value: float = Field(default=0.01, gt=0, lt=1)
    min_effect: float = Field(default=0.02, ge=0, description="squared MMD below this is no drift, however significant")
    consecutive_windows: int = Field(default=1, ge=1)
    cooldown_hours: float = Field(default=24.0, ge=0, description="at most one drift event in this time")


class Recipe(Section):
    """Everything about one model that is kept up to date. See deployments/recipes/ for commented examples."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
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
        RecipeError: no such file, not YAML, or a key that is wrong (the message names each key).
    """
    path = Path(path)
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(f"no recipe at {path}: see deployments/recipes/ for examples") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from error
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise RecipeError(f"{path}: {wrong}") from error
