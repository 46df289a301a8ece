"""Whether a data version still holds what its name says: the name is a hash of rows, splits and configuration."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.lineage.lineage_rows import BATCH_ROWS, COLUMNS, splits_of
from tuneloop.records import content_hash
from tuneloop.results import DataManifest


def content_version(folder: Path, manifest: DataManifest) -> str:
    """The name that rows and configuration of the folder have now, as `tuneloop.data.snapshots` makes it.

    Raises:
        DataError: a split is not there, or its file is damaged.
    """
    rows = {split: _rows_hash(folder / f"{split}.parquet") for split in splits_of(folder, manifest.rows)}
    return content_hash([rows, manifest.config])[: len(manifest.version)]


def _rows_hash(path: Path) -> str:
    import pyarrow as pa
    from pyarrow import parquet

    found = hashlib.sha256()
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=COLUMNS):
                columns = [batch.column(name).to_pylist() for name in COLUMNS]
                for row in zip(*columns, strict=True):
                    found.update(json.dumps(row).encode())
    except FileNotFoundError as error:
        raise DataError(f"the rows at {path} are gone") from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"the rows at {path} cannot be read ({type(error).__name__})") from error
    return found.hexdigest()
