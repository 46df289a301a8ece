"""A copy of a home that can be served itself; taken while the server runs."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from argilla_embedded.errors import CommandError
from argilla_embedded.home import Home


class BackupError(CommandError):
    """No backup was made; the message says why."""


def back_up(home_path: Path, copy_path: Path) -> None:
    """Copy what people wrote and the key of their sessions to the new folder `copy_path`, which is a home afterwards.

    The copy is of one moment: all that was acknowledged before the call, nothing half-written. Waiting jobs are not in
    it, and the search index makes itself anew.

    Raises:
        BackupError: there is no database in the home, the folder exists, or the copy is damaged.
    """
    home, copy = Home(home_path.resolve()), copy_path.resolve()
    if not home.database.exists():
        raise BackupError(f"{home.path} holds no argilla.db; rows that are in Postgres are saved with pg_dump")
    if home.mirror.exists():
        raise BackupError(f"{home.path} was last served from Postgres, whose rows are saved with pg_dump")
    if copy.exists():
        raise BackupError(f"{copy} exists already: give a new folder")
    unfinished = copy.with_name(f"{copy.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    os.umask(0o077)
    unfinished.mkdir(parents=True)
    _copy_database(home.database, Home(unfinished).database)
    shutil.copy(home.path / "auth.secret", unfinished)
    unfinished.rename(copy)


def _copy_database(original: Path, copy: Path) -> None:
    with closing(sqlite3.connect(original)) as here, closing(sqlite3.connect(copy)) as there:
        here.backup(there)  # in one step: SQLite shows one moment to it and lets writers go on
        if there.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
            raise BackupError(f"the copy of {original} is damaged: check the disk, and the original with quick_check")
