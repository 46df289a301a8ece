"""Whether a data version still holds what its name says: the name is a hash of rows, splits and configuration."""

from __future__ import annotations

from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.results import DataManifest
from tuneloop.row_files import hash_rows, splits_in, version_of


def content_version(folder: Path, manifest: DataManifest) -> str:
    """Return the name that rows and configuration of the folder have now.

    Raises:
        DataError: a split is not there, or its file is damaged.
    """
    hashes = {split: _hash(folder / f"{split}.parquet") for split in splits_in(folder, manifest.rows)}
    return version_of(hashes, manifest.config)


def _hash(path: Path) -> str:
    import pyarrow as pa

    try:
        return hash_rows(path)
    except FileNotFoundError as error:
        raise DataError(f"the rows at {path} are gone") from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"the rows at {path} cannot be read ({type(error).__name__})") from error
