"""Rows out of Parquet files, and out of Arrow tables in general."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.data.csv_files import require_distinct
from tuneloop.data.raw_row import RawRow
from tuneloop.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1000
BUFFER_BYTES = 1024 * 1024


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """The rows of every row group; of a group that is damaged, those before the damage and one problem.

    Raises:
        DataError: it is no Parquet file, two columns have one name, or not a single row can be read.
    """
    import pyarrow as pa

    file = _opened(path)
    first, read = 1, 0
    for group in range(file.num_row_groups):
        number, behind = first, first + file.metadata.row_group(group).num_rows
        with suppress(pa.ArrowException, OSError):
            for batch in file.iter_batches(batch_size=BATCH_ROWS, row_groups=[group]):
                yield from table_rows(batch, number)
                number += batch.num_rows
        if number != behind:  # some damage is an error, other damage is just fewer rows
            yield RawRow(number, problem=("broken_parquet", f"rows {number} to {behind - 1} cannot be read"))
        read += number - first
        first = behind
    if first > 1 and not read:
        raise DataError(f"{path} is damaged: none of its {first - 1} rows can be read; export it again")


def table_rows(table: pa.RecordBatch | pa.Table, first: int) -> Iterator[RawRow]:
    """The rows of a table, numbered from `first`; a row that Python cannot hold is a problem."""
    try:
        values: list[Any] = table.to_pylist()
    except (ValueError, OverflowError):  # text that is not UTF-8; a date beyond the year 9999
        yield from (_row(table.slice(i, 1), first + i) for i in range(table.num_rows))
    else:
        for i, value in enumerate(values):
            yield RawRow(first + i, value=value)


def _row(table: pa.RecordBatch | pa.Table, number: int) -> RawRow:
    try:
        return RawRow(number, value=table.to_pylist()[0])
    except UnicodeDecodeError:
        return RawRow(number, problem=("undecodable", "not UTF-8"))
    except (ValueError, OverflowError):
        return RawRow(number, problem=("wrong_type", "a value that Python has no type for"))


def _opened(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Buffered, so that a row group is read piece by piece, however large its writer made it.
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=BUFFER_BYTES, page_checksum_verification=True)
        names = file.schema_arrow.names
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        problem = type(error).__name__
        raise DataError(f"{path} is no Parquet file that can be read ({problem}); export it again") from None
    require_distinct(names, path)
    counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    if sum(counts) != file.metadata.num_rows or min(counts, default=0) < 0:
        raise DataError(f"{path} is damaged: it contradicts itself on how many rows it has; export it again")
    return file
