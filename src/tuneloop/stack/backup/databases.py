"""Copies of SQLite databases that are in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tuneloop.errors import ServiceError

PAUSE_SECONDS = 0.2


def copy_database(original: Path, copy: Path) -> None:
    """Copy one moment of the database; its writers go on, or wait for it as they wait for each other.

    Raises:
        ServiceError: the original is damaged.
    """
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(original)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there, sleep=PAUSE_SECONDS)  # all pages in one step; tried again while a writer holds it
            there.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            found = there.execute("PRAGMA quick_check").fetchall()
    except sqlite3.DatabaseError as error:
        raise ServiceError(f"{original} cannot be copied ({error}): restore it from an earlier backup") from error
    if found != [("ok",)]:
        raise ServiceError(f"{original} is damaged: restore it from an earlier backup")
