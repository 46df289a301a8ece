"""What a check of files brings, whatever the files hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expectations.alone.options import Options
from tuneloop.errors import DataError
from tuneloop.recipes import Checks, Recipe, Source, readable_recipe
from tuneloop.records import Rejection
from tuneloop.results import DataManifest
from tuneloop.settings import Settings
from tuneloop.severities import RANK, Severity

LONGEST_NAME = 80
"""Of a source; a file's may be longer."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows that could not be read: why, how many, and where the first of them stand."""

    reason: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """`suites` are those that were run, each with the rows it has seen. `passing` and `rejections` can be walked over
    once, inside the check's `with` block."""

    manifest: DataManifest
    suites: Sequence[tuple[Any, int]]
    unreadable: Sequence[Unreadable]
    notes: Sequence[str]
    passing: Iterable[Mapping[str, Any]]
    rejections: Iterable[Rejection]

    @property
    def worst(self) -> Severity | None:
        """The gravest finding; None where there is none."""
        found: list[Severity] = [c.severity for c in self.manifest.checks if not c.success]
        if self.unreadable:
            found.append("quarantine")
        return max(found, key=RANK.index, default=None)


def sources_of(options: Options) -> tuple[Source, ...]:
    """A source for each file, named by its stem; equal stems are numbered."""
    names: list[str] = []
    for file in options.files:
        name = slug(Path(file).name.split(".")[0])[:LONGEST_NAME]
        names.append(name if name not in names else f"{name}-{len(names) + 1}")
    return tuple(
        Source(name=name, path=_path(file), format=options.file_format, columns=options.columns)
        for name, file in zip(names, options.files, strict=True)
    )


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "rows"


def recipe_of(options: Options) -> Recipe | None:
    """The recipe whose checks and files are used; what it may read is what it may read in the loop."""
    here = Settings()
    return readable_recipe(options.recipe, root=here.root, workspace=here.workspace_path) if options.recipe else None


def checks_of(options: Options) -> Checks:
    """The recipe's checks, or the defaults, with what the command line says of them."""
    recipe = recipe_of(options)
    checks = recipe.data.checks if recipe else Checks()
    wanted = {
        "pii_policy": options.pii,
        "languages": options.languages,
        "person_names": None if options.names else False,
    }
    return checks.model_copy(update={name: value for name, value in wanted.items() if value is not None})


def _path(file: str) -> str:
    """Absolute where there is such a file; a name on the hub or in a package is left as it is.

    Raises:
        DataError: there is no such file, and it cannot be meant as anything else.
    """
    path = Path(file)
    if path.exists():
        return str(path.resolve())
    if path.suffix or path.is_absolute():
        raise DataError(f"there is no file {file}")
    return file
