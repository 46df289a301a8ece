"""Sources outside the workspace: nothing is written there, but it is said which of them still hold the words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.data.files import file_of, source_rows
from tuneloop.data.snapshots import list_manifests
from tuneloop.errors import DataError
from tuneloop.recipes import Source
from tuneloop.workflows.forgetting.wanted import Wanted


@dataclass(frozen=True)
class OutsideSource:
    """`rows` is None where it could not be read, for the reason in `problem`."""

    name: str
    path: str
    rows: int | None
    problem: str = ""


def outside_sources(workspace: Path, root: Path, wanted: Wanted) -> list[OutsideSource]:
    """The sources of all data versions, each once, that hold what is wanted or cannot be read."""
    found = (_looked_into(source, root, workspace, wanted) for source in _sources(workspace))
    return [source for source in found if source is not None and source.rows != 0]


def _sources(workspace: Path) -> list[Source]:
    sources: dict[str, Source] = {}
    for manifest in list_manifests(workspace):
        for content in manifest.config.get("data", {}).get("sources", []):
            try:
                source = Source.model_validate(content)
            except ValidationError:
                continue
            sources[source.path] = source
    return list(sources.values())


def _looked_into(source: Source, root: Path, workspace: Path, wanted: Wanted) -> OutsideSource | None:
    if source.path.startswith("workspace:"):
        return None
    try:
        file = file_of(source, root=root, workspace=workspace)
        if file is None:
            problem = "on the hub, and was not read again: look there yourself"
            return OutsideSource(source.name, source.path, None, problem)
        if file.resolve().is_relative_to(workspace.resolve()):
            return None
        return OutsideSource(source.name, source.path, sum(_hits(source, root, workspace, wanted)))
    except DataError as error:
        return OutsideSource(source.name, source.path, None, str(error))


def _hits(source: Source, root: Path, workspace: Path, wanted: Wanted) -> Iterator[bool]:
    column = source.columns.get("id", "id")
    for raw in source_rows(source, root=root, workspace=workspace):
        value: Any = raw.raw if raw.value is None else raw.value
        given = str(value.get(column)) if isinstance(value, dict) else None
        yield wanted.is_in(value) or given in wanted.ids
