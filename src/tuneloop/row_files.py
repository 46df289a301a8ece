"""The Parquet files of a data version, a file a split: id, cluster and record as JSON. Read and written here alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.records import Record, Split, content_hash

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""What every version has. Which ones a version has: `splits_in`."""
PRIVATE: Split = "private"
COLUMNS = {"id": "string", "cluster": "string", "record": "string (JSON)"}
VERSION_DIGITS = 12
BATCH_ROWS = 5000

Row = tuple[Split, str, str, str]
"""Split, id, name of the cluster, record as JSON."""


def splits_in(folder: Path, rows: Mapping[str, int] | None = None) -> list[Split]:
    """Return the splits of a data version: all that there are, or those that it should have.

    Every version has `SPLITS`; few have a private one. `rows` are the manifest's, by split, for a folder of which files
    may be gone.
    """
    has_private = bool((rows or {}).get(PRIVATE)) or (folder / f"{PRIVATE}.parquet").is_file()
    return [*SPLITS, *([PRIVATE] if has_private else [])]


def load_rows(path: Path) -> list[Record]:
    """Return the records of one split file, in their order."""
    return [record_of(text) for text in read_table(path, ["record"])["record"].to_pylist()]


def stream_rows(path: Path) -> Iterator[Record]:
    """Yield the same, a batch at a time: the texts of a whole split may not fit in memory."""
    if not path.is_file():
        raise DataError(f"there are no rows at {path}; run the validation first")
    for batch in batches(path, ["record"]):
        yield from map(record_of, batch.column(0).to_pylist())


def load_clusters(path: Path) -> dict[str, str]:
    """Return record id -> cluster, for statistics that must not take near-relatives for independent rows."""
    table = read_table(path, ["id", "cluster"])
    return dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))


def read_table(path: Path, columns: Sequence[str] = tuple(COLUMNS)) -> Any:
    """Return a split file as an Arrow table.

    Raises:
        DataError: there is no such file.
    """
    from pyarrow import parquet

    try:
        return parquet.read_table(path, columns=list(columns))
    except FileNotFoundError as error:
        raise DataError(f"there are no rows at {path}; run the validation first") from error


def batches(path: Path, columns: Sequence[str] = tuple(COLUMNS)) -> Iterator[Any]:
    """Yield Arrow batches of a split file; what is damaged raises pyarrow's own errors."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        yield from file.iter_batches(BATCH_ROWS, columns=list(columns))


def record_of(text: str) -> Record:
    return Record.from_json(json.loads(text))


def version_of(hashes: Mapping[Split, str], config: Mapping[str, Any]) -> str:
    """Return the name of a data version: a hash of its rows, by split, and of its configuration."""
    return content_hash([hashes, config])[:VERSION_DIGITS]


def hash_rows(path: Path) -> str:
    """Return the hash of a split file's rows, as `write_splits` makes it while it writes them."""
    found = hashlib.sha256()
    for batch in batches(path):
        columns = [batch.column(name).to_pylist() for name in COLUMNS]
        for row in zip(*columns, strict=True):
            found.update(_line(row))
    return found.hexdigest()


def write_splits(folder: Path, rows: Iterable[Row]) -> dict[Split, str]:
    """Write the rows of every split as they come; return a hash of each split's content.

    The private split is only there where it has rows, so that versions without one keep the hash they always had.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    writers: dict[Split, parquet.ParquetWriter] = {}
    hashes: dict[Split, Any] = {}
    waiting: dict[Split, list[tuple[str, str, str]]] = {}

    def begin(split: Split) -> None:
        file = folder / f"{split}.parquet"
        if split == PRIVATE:
            file.touch(mode=0o600)  # what is written into it later keeps this
        writers[split] = parquet.ParquetWriter(file, schema, compression="zstd")
        hashes[split], waiting[split] = hashlib.sha256(), []

    def write(split: Split, enough: int) -> None:
        if len(waiting[split]) >= enough:
            columns: Sequence[Sequence[str]] = list(zip(*waiting[split], strict=True))
            writers[split].write_table(pa.table([pa.array(c, pa.string()) for c in columns], schema=schema))
            waiting[split].clear()

    for split in SPLITS:
        begin(split)
    for split, row_id, cluster, record in rows:
        if split not in writers:
            begin(split)
        hashes[split].update(_line((row_id, cluster, record)))
        waiting[split].append((row_id, cluster, record))
        write(split, BATCH_ROWS)
    for split, writer in writers.items():
        write(split, 1)
        writer.close()
    return {s: h.hexdigest() for s, h in hashes.items()}


def _line(row: Sequence[str]) -> bytes:
    return json.dumps(row).encode()
