"""Metric files: where they are, and what they say about themselves. They are read, not run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tuneloop.errors import RecipeError

FOLDER = Path(__file__).parents[1]
BUILT_IN = {
    "accuracy": ("answers", "Accuracy"),
    "bleu": ("ngrams", "Bleu"),
    "chrf": ("ngrams", "Chrf"),
    "exact_match": ("answers", "ExactMatch"),
    "f1": ("words", "F1"),
    "field_accuracy": ("answers", "FieldAccuracy"),
    "length_difference": ("words", "LengthDifference"),
    "length_ratio": ("words", "LengthRatio"),
    "meteor": ("ngrams", "Meteor"),
    "precision": ("words", "Precision"),
    "recall": ("words", "Recall"),
    "repetition": ("words", "Repetition"),
    "rouge_1": ("ngrams", "Rouge1"),
    "rouge_2": ("ngrams", "Rouge2"),
    "rouge_l": ("ngrams", "RougeL"),
    "semantic_similarity": ("meaning", "SemanticSimilarity"),
    "term_accuracy": ("answers", "TermAccuracy"),
    "valid_json": ("answers", "ValidJson"),
}
"""Name -> file of this package's parent and class: a new metric is a class there and a line here.

Keep what a metric computes in its class: finished scores are reused while the text of the class is the same.
"""
# `evaluate` downloads what such a comment behind an import names, and runs it.
_REMOTE_IMPORT = re.compile(r"#\s+From:\s")


@dataclass(frozen=True, slots=True)
class MetricFile:
    """One metric. `source` is its text: of a built-in one its class, of any other its file."""

    name: str
    path: Path
    source: str
    description: str
    lower_is_better: bool
    needs_expected: bool
    built_in: str = ""
    """Name of the class; empty for a user's file, which `evaluate` loads by its path."""

    @property
    def shown(self) -> str:
        return self.name if self.built_in else self.path.name


def built_in_metrics() -> Iterator[MetricFile]:
    """Yield the metrics that come with the library."""
    for name, (stem, class_name) in BUILT_IN.items():
        source, classes = _classes(FOLDER / f"{stem}.py")
        node = classes[class_name]
        text = ast.get_source_segment(source, node) or ""
        yield _metric(name, FOLDER / f"{stem}.py", text, node, ast.get_docstring(node), class_name)


def read_metric(name: str, root: Path) -> MetricFile:
    """Return the metric that a recipe calls `name`: one of ours, or the path of a file under `root`.

    Raises:
        RecipeError: there is no such metric, or its file may not or cannot be loaded.
    """
    if name.endswith(".py") and (path := _own_file(name, root)).is_file():
        return read_metric_file(path)
    found = next((metric for metric in built_in_metrics() if metric.name == name), None)
    if found is None:
        raise RecipeError(
            f"there is no metric {name!r}; take some of {', '.join(BUILT_IN)}, or the path of a metric file of your "
            "own, ending in .py"
        )
    return found


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
    return _metric(path.stem, path, source, classes[0], ast.get_docstring(tree))


def _metric(name: str, path: Path, source: str, node: ast.ClassDef, text: str | None, built_in: str = "") -> MetricFile:
    lower = _says(path, node, "lower_is_better", default=False)
    needs = _says(path, node, "needs_expected", default=True)
    return MetricFile(name, path, source, (text or "").split("\n", 1)[0], lower, needs, built_in)


@cache
def _classes(path: Path) -> tuple[str, dict[str, ast.ClassDef]]:
    source = path.read_text(encoding="utf-8")
    return source, {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _own_file(name: str, root: Path) -> Path:
    home = root.resolve()
    path = (home / name).resolve()
    if not path.is_relative_to(home):
        raise RecipeError(f"the metric {name} lies outside the project; only code under {home} is run")
    if not path.stem.isidentifier():
        raise RecipeError(f"the metric {name} needs another file name: it becomes a column, so letters, digits and _")
    if path.stem in BUILT_IN:
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
