"""The files and folders that a recipe names, and which of them it may not read."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from tuneloop.errors import RecipeError
from tuneloop.readable_files import is_private
from tuneloop.recipes.data import Source
from tuneloop.recipes.evaluation import BUILT_IN
from tuneloop.recipes.recipe import Recipe, load_recipe


def readable_recipe(path: str | Path, *, root: Path, workspace: Path) -> Recipe:
    """Read a recipe whose files are going to be read.

    Raises:
        RecipeError: as `load_recipe`, or as `require_readable`.
    """
    if is_private(Path(path), workspace):
        raise RecipeError(f"{path} is one of the workspace's own files and no recipe: see deployments/recipes/")
    recipe = load_recipe(path)
    require_readable(recipe, root=root, workspace=workspace)
    return recipe


def require_readable(recipe: Recipe, *, root: Path, workspace: Path) -> None:
    """Refuse a recipe that names one of the workspace's own secrets, by whatever way.

    Raises:
        RecipeError: the message names the key and the file.
    """
    for key, path in paths_of(recipe, root=root, workspace=workspace):
        if is_private(path, workspace):
            raise RecipeError(
                f"{key}: {path} is, holds or leads to what is the workspace's own (logins, keys, databases, logs). A "
                "recipe may read any file of yours but those; name another one"
            )


def paths_of(recipe: Recipe, *, root: Path, workspace: Path) -> Iterator[tuple[str, Path]]:
    """(key, file or folder) for each path in a recipe; they need not be there."""
    for number, source in enumerate(recipe.data.sources):
        yield from ((f"data.sources.{number}.path", path) for path in _source_paths(source, root, workspace))
    evaluation, review, augmentation = recipe.evaluation, recipe.review, recipe.data.augmentation
    suites = {name: getattr(evaluation, name) for name in ("forgetting", "red_team", "bias_pairs")}
    from_root = {
        "data.answer.json_schema": recipe.data.answer.json_schema,
        "data.augmentation.templates": augmentation.templates if augmentation else None,
        "evaluation.lm_eval_files": evaluation.lm_eval_files,
        "review.prompts": review.prompts,
        "review.guidelines": review.guidelines,
        "review.gold": review.gold,
        **{f"evaluation.metrics.{n}": name for n, name in enumerate(evaluation.metrics) if name.endswith(".py")},
        **{f"evaluation.{name}.items": s.items for name, s in suites.items() if s and s.items != BUILT_IN},
    }
    yield from ((key, root / path) for key, path in from_root.items() if path)
    yield "model.base", Path(recipe.model.base).expanduser()
    if evaluation.judge and not evaluation.judge.endpoint:
        yield "evaluation.judge.model", Path(evaluation.judge.model).expanduser()


def source_place(path: str, *, root: Path, workspace: Path) -> Path | None:
    """Where a source's `path` leads; None where it names a package that is not installed."""
    kind, _, rest = path.partition(":")
    if kind == "workspace" and rest:
        return workspace / rest
    if kind != "package" or not rest:
        return root / path
    package, _, inner = rest.partition("/")
    name = package.replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0]) / inner if folders else None


def _source_paths(source: Source, root: Path, workspace: Path) -> Iterator[Path]:
    """A sign `#` may begin the name of a split, or be part of a file's name."""
    for path in dict.fromkeys((source.path, source.path.partition("#")[0])):
        place = source_place(path, root=root, workspace=workspace)
        if place is not None:
            yield place
