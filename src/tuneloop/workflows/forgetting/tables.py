"""Parquet files lose rows; whatever text a column holds is looked at, and a column of JSON is read as such."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.workflows.forgetting.rewriting import rewritten
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted

BATCH_ROWS = 5000
RECORD = "record"


def erase_table_rows(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """Take the rows out that are wanted, a batch at a time.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    from pyarrow import parquet

    try:
        count = sum(touched for _, touched in _judged(file, wanted, gathered))
        if count and write:
            with rewritten(file) as draft:
                schema = parquet.read_schema(file)
                with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
                    for batch, _ in _judged(file, wanted, gathered):
                        writer.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{file} cannot be read ({type(error).__name__}), so nobody can say what it holds: restore it from a "
            "backup, or delete it, and run the command again"
        ) from error
    return count


def _judged(file: Path, wanted: Wanted, gathered: Gathered) -> Iterator[tuple[Any, int]]:
    """Each batch as it is to be, and how many of its rows are touched."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(file) as table:
        for batch in table.iter_batches(BATCH_ROWS):
            stay, changed = [], {}
            for place, row in enumerate(_rows(batch)):
                raw = row.get(RECORD)
                if isinstance(raw, str) and not wanted.may_be_in(f"{raw} {row.get('id')} {row.get('cluster')}"):
                    stay.append(True)
                    continue
                read = _read(row)
                left = wanted.left_of(read)
                if left is None:
                    gathered.add(read.get(RECORD, read))
                elif left is not read:
                    changed[place] = left
                stay.append(left is not None)
            new = _changed(batch, changed).filter(pa.array(stay, pa.bool_()))
            yield new, stay.count(False) + len(changed)


def _changed(batch: Any, changed: dict[int, dict[str, Any]]) -> Any:
    """The batch with other texts in these rows."""
    import pyarrow as pa

    for name in {name for row in changed.values() for name in row}:
        values = batch.column(name).to_pylist()
        for place, row in changed.items():
            is_json = name == RECORD and isinstance(row[name], dict)
            values[place] = json.dumps(row[name], ensure_ascii=False) if is_json else row[name]
        kind = batch.schema.field(name)
        batch = batch.set_column(batch.schema.get_field_index(name), kind, pa.array(values, kind.type))
    return batch


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    """Rows with those columns only that can hold text."""
    import pyarrow as pa

    names = [f.name for f in batch.schema if not _is_number(pa, f.type)]
    columns = [batch.column(name).to_pylist() for name in names]
    for place in range(batch.num_rows):
        yield {name: column[place] for name, column in zip(names, columns, strict=True)}


def _is_number(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind))


def _read(row: dict[str, Any]) -> dict[str, Any]:
    try:
        return {**row, RECORD: json.loads(row[RECORD])}
    except (KeyError, TypeError, ValueError):
        return row
