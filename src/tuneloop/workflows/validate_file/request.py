"""What is to be checked, and what a check brings, whatever the files hold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tuneloop.ports import Suite
from tuneloop.recipes import Checks, Cleaning, Recipe, Source
from tuneloop.records import Rejection
from tuneloop.results import DataManifest
from tuneloop.severities import RANK, Severity

LONGEST_NAME = 80
"""Of a source; a file's may be longer."""
PLACES = 3
"""Of unreadable rows, named for each reason."""


@dataclass(frozen=True, slots=True)
class Request:
    """`recipe` gives thresholds, the answers' form and the longest example; the other fields win over it.

    `files` are paths from the current folder, or names on the hub. `root` and `workspace` are the project's; the
    latter need not be there.
    """

    files: Sequence[str]
    root: Path
    workspace: Path
    suite: Literal["sft", "preference", "feedback", "traffic"] | None = None
    recipe: Recipe | None = None
    base: Path | None = None
    pii_policy: Literal["quarantine", "redact", "pseudonymise"] | None = None
    cleaning: tuple[Cleaning, ...] = ()
    languages: tuple[str, ...] | None = None
    names: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)
    file_format: Literal["auto", "jsonl", "json", "csv", "parquet", "huggingface"] = "auto"

    @property
    def checks(self) -> Checks:
        """The recipe's checks, or the defaults, with what was asked for beside them."""
        checks = self.recipe.data.checks if self.recipe else Checks()
        wanted = {
            "pii_policy": self.pii_policy,
            "languages": self.languages,
            "person_names": None if self.names else False,
        }
        return checks.model_copy(update={name: value for name, value in wanted.items() if value is not None})

    @property
    def sources(self) -> tuple[Source, ...]:
        """A source for each file, named by its stem; equal stems are numbered."""
        names: list[str] = []
        for file in self.files:
            name = _slug(Path(file).name.split(".")[0])[:LONGEST_NAME]
            names.append(name if name not in names else f"{name}-{len(names) + 1}")
        return tuple(
            Source(name=name, path=_path(file), format=self.file_format, columns=dict(self.columns))
            for name, file in zip(names, self.files, strict=True)
        )


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Rows that could not be read: why, how many, and where the first of them are."""

    reason: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """`suites` are those that were run, each with the rows it has seen. `passing` and `rejections` can be walked over
    once, inside the check's `with` block."""

    manifest: DataManifest
    suites: Sequence[tuple[Suite, int]]
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


def unreadable_of(rejections: Iterable[Rejection]) -> list[Unreadable]:
    """Count rows that could not be read by their reason, the most frequent first."""
    counts: Counter[str] = Counter()
    places: dict[str, list[str]] = {}
    for rejection in rejections:
        counts[rejection.reason] += 1
        if counts[rejection.reason] <= PLACES:
            places.setdefault(rejection.reason, []).append(f"{rejection.source}:{rejection.line}")
    return [Unreadable(reason, n, tuple(places[reason])) for reason, n in counts.most_common()]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "rows"


def _path(file: str) -> str:
    """Absolute where there is such a file; a name on the hub or in a package is left as it is."""
    path = Path(file)
    return str(path.resolve()) if path.exists() else file
