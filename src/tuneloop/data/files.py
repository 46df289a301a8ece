"""Where a source's rows are, and which reader they need.

A row that cannot be read is a `RawRow` with a problem, so that one bad line never costs the whole file. A file that
cannot be read at all is the user's to mend: `DataError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tuneloop.data.arrow_files import parquet_rows
from tuneloop.data.csv_files import csv_rows
from tuneloop.data.hub_files import hub_rows, is_saved, saved_rows
from tuneloop.data.json_files import json_rows, jsonl_rows
from tuneloop.data.raw_row import MAX_ROW_BYTES, RawRow
from tuneloop.data.streams import UNPACKERS, require_no_bomb
from tuneloop.errors import DataError
from tuneloop.readable_files import fault_of, is_missing
from tuneloop.recipes import Source
from tuneloop.recipes.paths import source_place

__all__ = ["RawRow", "file_of", "raw_rows", "source_rows"]

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
PREFIXES = ("package", "workspace")


def file_of(source: Source, *, root: Path, workspace: Path) -> Path | None:
    """Where a source's file is, or the folder of a saved data set; None for what is on the hub.

    A `workspace:` file need not be there: the loop may not have written it yet.

    Raises:
        DataError: there is no such file or package.
    """
    folder = _place(source, source.path.partition("#")[0], root, workspace)
    if source.format in ("auto", "huggingface") and is_saved(folder):
        return folder
    if source.format == "huggingface" and source.path.partition(":")[0] not in PREFIXES:
        if folder.exists():
            raise DataError(f"source {source.name}: {folder} was not made by save_to_disk; name a file in it instead")
        return None
    path = _place(source, source.path, root, workspace)
    if source.path.startswith("workspace:") and is_missing(path):
        return path
    if is_missing(path):
        raise DataError(f"source {source.name}: {path} is no file; paths start at the root, {root}")
    if fault := fault_of(path):
        raise DataError(f"source {source.name}: {path} {fault}")
    return path


def source_rows(source: Source, *, root: Path, workspace: Path) -> Iterator[RawRow]:
    """All rows of a source, in order.

    Raises:
        DataError: there is no such source, or as a whole it cannot be read.
    """
    path = file_of(source, root=root, workspace=workspace)
    if path is None:
        yield from hub_rows(source.path)
    elif is_saved(path):
        yield from saved_rows(path, source.path.partition("#")[2])
    elif not is_missing(path):
        yield from raw_rows(path, source.format)


def raw_rows(path: Path, file_format: str = "auto", *, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[RawRow]:
    """All rows of a file, in order. Packed files (.gz, .bz2, .xz, .zst) are read as what they hold.

    Raises:
        DataError: the ending says nothing about the format, or the file as a whole is not what it says.
    """
    form = _format_of(path, file_format)
    if form == "parquet":
        return parquet_rows(path)
    if form == "huggingface":
        return saved_rows(path)
    require_no_bomb(path)
    readers = {"jsonl": jsonl_rows, "json": json_rows, "csv": csv_rows}
    return readers[form](path, max_row_bytes)


def is_of_known_format(path: Path) -> bool:
    """Whether the ending of a file says how to read it."""
    return _ending_of(path) in ENDINGS


def _place(source: Source, path: str, root: Path, workspace: Path) -> Path:
    place = source_place(path, root=root, workspace=workspace)
    if place is None:
        package = path.partition(":")[2].partition("/")[0]
        raise DataError(f"source {source.name}: the package {package} is not installed; pip install {package}")
    return place


def _format_of(path: Path, file_format: str) -> str:
    if file_format != "auto":
        return file_format
    if is_saved(path):
        return "huggingface"
    if not is_of_known_format(path):
        raise DataError(f"{path}: cannot tell the format by the ending; set `format` of the source in the recipe")
    return ENDINGS[_ending_of(path)]


def _ending_of(path: Path) -> str:
    endings = [s.lower() for s in path.suffixes]
    return endings[-2] if len(endings) > 1 and endings[-1] in UNPACKERS else (endings or [""])[-1]
