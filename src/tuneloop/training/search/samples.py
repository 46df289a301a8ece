"""Stable samples of the training rows: a smaller one lies within every larger one."""

from __future__ import annotations

from pathlib import Path

from tuneloop.files import atomic_path
from tuneloop.records import content_hash


def write_sample(train_file: Path, rows: int, out: Path) -> Path:
    """`out` with `rows` of the rows of `train_file` (all, if fewer), those first by a hash of their id, in their own
    order. What is there already is kept: `out` belongs to one data version and one number."""
    import pyarrow.parquet

    if out.is_file():
        return out
    table = pyarrow.parquet.read_table(train_file)
    ids = table.column("id").to_pylist()
    first = sorted(range(len(ids)), key=lambda place: content_hash(["sample", ids[place]]))[:rows]
    with atomic_path(out) as draft:
        pyarrow.parquet.write_table(table.take(sorted(first)), draft)
    return out


def count_rows(file: Path) -> int:
    import pyarrow.parquet

    return int(pyarrow.parquet.ParquetFile(file).metadata.num_rows)
