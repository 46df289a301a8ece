"""Rows out of Hugging Face data sets: folders that `save_to_disk` made, and names on the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneloop.data.arrow_files import table_rows
from tuneloop.data.csv_files import require_distinct
from tuneloop.data.parquet_pages import BATCH_ROWS
from tuneloop.data.raw_row import RawRow
from tuneloop.errors import DataError

MARKS = ("dataset_dict.json", "dataset_info.json", "state.json")
NAME = re.compile(r"(?P<name>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")


def is_saved(folder: Path) -> bool:
    """Was the folder made by `save_to_disk`?"""
    try:
        return any((folder / mark).is_file() for mark in MARKS)
    except OSError:  # a name that is too long, a link to itself
        return False


def saved_rows(folder: Path, split: str = "") -> Iterator[RawRow]:
    """The rows of a data set on disk, mapped and not loaded; `split` may be left out where there is only one.

    Raises:
        DataError: the folder cannot be read, or it is not clear which split is meant.
    """
    import pyarrow as pa
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise DataError(f"{folder} is no data set that can be read ({type(error).__name__}); save it again") from None
    data = _one(found, split, str(folder)) if isinstance(found, DatasetDict) else found
    yield from _rows(data, str(folder))


def hub_rows(path: str) -> Iterator[RawRow]:
    """The rows of `NAME`, `NAME@REVISION`, either with `#SPLIT`, as a stream: nothing is downloaded as a whole.

    A data set with several configurations needs `#CONFIGURATION/SPLIT`. Code from the hub is never run.

    Raises:
        DataError: there is no such data set or split, or the hub does not answer.
    """
    import httpx
    from datasets import IterableDatasetDict, load_dataset

    place, _, wanted = path.partition("#")
    name = NAME.fullmatch(place)
    if not name:
        raise DataError(f"{place} is neither a folder nor a name on the hub like org/name@revision#split")
    configuration, _, split = wanted.rpartition("/")
    try:
        found = load_dataset(name["name"], configuration or None, revision=name["revision"], streaming=True)
    except (OSError, ValueError, RuntimeError, httpx.HTTPError) as error:
        raise DataError(
            f"there is no folder {place}, and the data set cannot be had from the hub either ({type(error).__name__}); "
            "check the name, the revision, the configuration (#CONFIGURATION/SPLIT) and the network"
        ) from error
    yield from _rows(_one(found, split, place) if isinstance(found, IterableDatasetDict) else found, place)


def _one(splits: Any, split: str, place: str) -> Any:
    name = split or (next(iter(splits)) if len(splits) == 1 else "")
    if name not in splits:
        raise DataError(f"{place} has the splits {', '.join(splits)}; name one of them as {place}#SPLIT")
    return splits[name]


def _rows(data: Any, place: str) -> Iterator[RawRow]:
    import httpx
    import pyarrow as pa

    number = 1
    try:
        for table in data.with_format("arrow").iter(batch_size=BATCH_ROWS):
            if number == 1:
                require_distinct(table.column_names, Path(place))
            yield from table_rows(table, number)
            number += table.num_rows
    except (OSError, ValueError, pa.ArrowException, httpx.HTTPError) as error:
        raise DataError(f"{place} cannot be read beyond row {number - 1} ({type(error).__name__}); try again") from None
