"""Metric files: where they are, and what they say about themselves. They are read, not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import RecipeError

BUILT_IN = Path(__file__).parents[1]
# `evaluate` downloads what such a comment behind an import names, and runs it.
_REMOTE_IMPORT = re.compile(r"#\s+From:\s")


@dataclass(frozen=True, slots=True)
class MetricFile:
    """One metric. `source` is the file's text."""

    name: str
    path: Path
    source: str
    description: str
    lower_is_better: bool
    needs_expected: bool


def built_in_files() -> Iterator[Path]:
    """The metrics that come with the library."""
    return (path for path in sorted(BUILT_IN.glob("*.py")) if path.stem != "__init__")


def read_metric(name: str, root: Path) -> MetricFile:
    """The metric that a recipe calls `name`: one of ours, or the path of a file under `root`.

    Raises:
        RecipeError: there is no such metric, or its file may not or cannot be loaded.
    """
    ours = {file.stem: file for file in built_in_files()}
    path = _own_file(name, root) if name.endswith(".py") else ours.get(name)
    if path is None or not path.is_file():
        raise RecipeError(
            f"there is no metric {name!r}; take some of {', '.join(ours)}, or the path of a metric file of your own, "
            "ending in .py"
        )
    return read_metric_file(path)


def read_metric_file(path: Path) -> MetricFile:
    """What a metric file says about itself, without running it.

    Raises:
        RecipeError: it is not Python in UTF-8, has not one RowMetric, or names code to be loaded from elsewhere.
    """
    try:
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, ValueError, SyntaxError, RecursionError) as error:
        raise RecipeError(f"the metric {path.name} cannot be read as Python: {error}") from error
    _refuse_code_from_elsewhere(path, source, tree)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and any(map(_is_row_metric, node.bases))]
    if len(classes) != 1:
        raise RecipeError(f"the metric {path.name} has {len(classes)} classes that inherit from RowMetric; write one")
    about = (ast.get_docstring(tree) or "").split("\n", 1)[0]
    lower = _says(path, classes[0], "lower_is_better", default=False)
    needs = _says(path, classes[0], "needs_expected", default=True)
    return MetricFile(path.stem, path, source, about, lower, needs)


def _own_file(name: str, root: Path) -> Path:
    home = root.resolve()
    path = (home / name).resolve()
    if not path.is_relative_to(home):
        raise RecipeError(f"the metric {name} lies outside the project; only code under {home} is run")
    if not path.stem.isidentifier():
        raise RecipeError(f"the metric {name} needs another file name: it becomes a column, so letters, digits and _")
    if (BUILT_IN / path.name).is_file():
        raise RecipeError(f"the metric {name} needs another file name: there is a built-in metric {path.stem}")
    return path


def _refuse_code_from_elsewhere(path: Path, source: str, tree: ast.Module) -> None:
    relative = any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    if relative or _REMOTE_IMPORT.search(source):
        raise RecipeError(
            f"the metric {path.name} imports code that lies beside it or is to be downloaded (`# From:`); "
            "write it into the file or import an installed package"
        )


def _is_row_metric(base: ast.expr) -> bool:
    return "RowMetric" in {getattr(base, "id", None), getattr(base, "attr", None)}


def _says(path: Path, node: ast.ClassDef, name: str, *, default: bool) -> bool:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            value = getattr(statement, "value", None)
            if not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
                raise RecipeError(f"the metric {path.name} must say `{name} = True` or False, as a plain word")
            return value.value
    return default
