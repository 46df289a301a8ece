"""A workspace in another place: the files that name their own place in full."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tuneloop.stack.backup.contents import REGISTRY

DOCUMENTS = ("rounds/*/*.json", "models/*/*/report.json", "models/base/origins/*.json", "evaluations/*/*/report.json")
"""Written by the loop, and hashed by nothing. A model's own files are hashed, and are found by where these say."""
CACHED = ("prefect/results",)
"""Results of tasks by what they were made of; they name places, and are made anew."""
TABLES = ("tags", "model_version_tags", "params")
"""Of the registry's database; rounds and versions say there where their weights are."""


def move_names(folder: Path, old: str, new: str) -> None:
    """Have a workspace that was at `old` and stands in `folder` name its future place `new`."""
    for pattern in DOCUMENTS:
        for file in folder.glob(pattern):
            _rewrite(file, old, new)
    for name in CACHED:
        shutil.rmtree(folder / name, ignore_errors=True)
    if (folder / REGISTRY).is_file():
        _rename_in_registry(folder / REGISTRY, old, new)


def _rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    for written in (lambda path: path, lambda path: json.dumps(path)[1:-1]):
        for end in ("/", '"'):
            text = text.replace(f'"{written(old)}{end}', f'"{written(new)}{end}')
    file.write_text(text, encoding="utf-8")


def _rename_in_registry(database: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in there.intersection(TABLES):
            connection.execute(
                f"UPDATE {table} SET value = ? || substr(value, ?) WHERE value = ? OR substr(value, 1, ?) = ?",  # noqa: S608
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
