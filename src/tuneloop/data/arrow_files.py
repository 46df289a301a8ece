"""Rows out of Parquet files, and out of Arrow tables in general."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.data.csv_files import require_distinct
from tuneloop.data.parquet_pages import MAX_FOOTER_BYTES, TooLargeError, batch_rows
from tuneloop.data.raw_row import MAX_ROW_BYTES, RawRow
from tuneloop.data.streams import MEASURED_FIRST, require_ratio, too_long
from tuneloop.errors import DataError
from tuneloop.readable_files import MIB, fault_of

if TYPE_CHECKING:
    import pyarrow as pa

BUFFER_BYTES = 1024 * 1024
LENGTH_AND_MARK = 8
MARK = b"PAR1"


def parquet_rows(path: Path) -> Iterator[RawRow]:
    """The rows of every row group; of a group that is damaged, those before the damage and one problem.

    Raises:
        DataError: it is no Parquet file, two columns have one name, or not a single row can be read.
    """
    import pyarrow as pa

    file = _opened(path)
    sizes = _rows_at_once(path, file)
    _require_no_bomb(path, file, sizes)
    first, read = 1, 0
    for group, rows_at_once in enumerate(sizes):
        number, behind = first, first + file.metadata.row_group(group).num_rows
        with suppress(pa.ArrowException, OSError):
            for batch in _batches(file, group, rows_at_once):
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
        may_be_long = table.nbytes > MAX_ROW_BYTES
        for i, value in enumerate(values):
            if may_be_long and _is_long(table.slice(i, 1), value):
                yield too_long(first + i, MAX_ROW_BYTES)
            else:
                yield RawRow(first + i, value=value)


def _row(table: pa.RecordBatch | pa.Table, number: int) -> RawRow:
    try:
        return RawRow(number, value=table.to_pylist()[0])
    except UnicodeDecodeError:
        return RawRow(number, problem=("undecodable", "not UTF-8"))
    except (ValueError, OverflowError):
        return RawRow(number, problem=("wrong_type", "a value that Python has no type for"))


def _rows_at_once(path: Path, file: Any) -> list[int]:
    """For each row group. Measured before the first row is given, so that a file is refused as a whole."""
    with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
        try:
            return [batch_rows(content, file.metadata.row_group(group)) for group in range(file.num_row_groups)]
        except TooLargeError as error:
            raise DataError(f"{path} {error}") from None


def _batches(file: Any, group: int, rows: int) -> Iterator[pa.RecordBatch]:
    """With every text in its own row: a dictionary counts as nothing, however often its texts are named."""
    import pyarrow as pa

    for batch in file.iter_batches(batch_size=rows, row_groups=[group]):
        columns = [c.dictionary_decode() if pa.types.is_dictionary(c.type) else c for c in batch.columns]
        yield pa.record_batch(columns, names=batch.schema.names)


def _is_long(row: pa.RecordBatch | pa.Table, value: Any) -> bool:
    """Counted twice, since a dictionary within a struct counts as a whole in each row."""
    return row.nbytes > MAX_ROW_BYTES and len(str(value)) > MAX_ROW_BYTES


def _require_no_bomb(path: Path, file: Any, sizes: Sequence[int]) -> None:
    """Unpack a file of moderate size once: a text that a million rows share costs nothing until somebody reads it."""
    import pyarrow as pa

    packed, unpacked = path.stat().st_size, 0
    if packed > MEASURED_FIRST:
        return
    for group, rows in enumerate(sizes):
        with suppress(pa.ArrowException, OSError):
            for batch in _batches(file, group, rows):
                unpacked += batch.nbytes
                require_ratio(path, packed, unpacked)


def _opened(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    if fault := fault_of(path):
        raise DataError(f"{path} {fault}")
    if _footer_bytes(path) > MAX_FOOTER_BYTES:
        raise DataError(
            f"{path} has a footer of more than {MAX_FOOTER_BYTES // MIB} MiB, or a damaged one; write it again with "
            "more rows to a group (row_group_size) and fewer columns"
        )
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


def _footer_bytes(path: Path) -> int:
    """As the file's last eight bytes have it: the length and `PAR1`."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LENGTH_AND_MARK))
        length, mark = file.read(4), file.read(4)
    return int.from_bytes(length, "little") if mark == MARK else 0
