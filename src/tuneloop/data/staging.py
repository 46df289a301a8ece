"""Rows on their way through the checks, kept on disk, so that a million of them need no memory."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tuneloop.records import Record, Rejection

if TYPE_CHECKING:
    from pyarrow.ipc import RecordBatchFileWriter

STALE_SECONDS = 3600.0
PRIVATE = 0o600


class Staging:
    """Sound rows by their index (0, 1, 2... in the order they came) and, apart, what could not be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = 0
        self._rejected: IO[str] = _open_private(folder / "unreadable.jsonl")
        self._writer: RecordBatchFileWriter | None = None

    def add(self, texts: Sequence[str]) -> None:
        """Records as JSON texts (`record_text`)."""
        import pyarrow as pa

        if self._writer is None:
            self._writer = pa.ipc.new_file(
                str(self.folder / "rows.arrow"),
                pa.schema([("record", pa.large_string())]),
                options=pa.ipc.IpcWriteOptions(compression="lz4"),
            )
        self._writer.write_batch(pa.record_batch([pa.array(texts, pa.large_string())], names=["record"]))
        self.rows += len(texts)

    def reject(self, rejection: Rejection) -> None:
        self._rejected.write(rejection_line(rejection))

    def close(self) -> None:
        """End the writing; the rows can be read from now on, as often as needed."""
        self._rejected.close()
        if self._writer is not None:
            self._writer.close()

    def texts(self) -> Iterator[str]:
        """Every record's JSON, in order."""
        import pyarrow as pa

        if self._writer is None:
            return
        with pa.OSFile(str(self.folder / "rows.arrow")) as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                yield from reader.get_batch(number).column(0).to_pylist()

    def unreadable(self) -> Iterator[Rejection]:
        with (self.folder / "unreadable.jsonl").open(encoding="utf-8", errors="surrogatepass") as lines:
            for line in lines:
                yield Rejection(**json.loads(line))


@contextmanager
def staging(workspace: Path) -> Iterator[Staging]:
    """A staging folder that only its owner can read and that is gone afterwards; killed runs' are cleared in time."""
    parent = workspace / "data"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_stale(parent)
    folder = Path(tempfile.mkdtemp(prefix=".staging-", dir=parent))
    try:
        yield Staging(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_stale(parent: Path) -> None:
    """What killed runs have left; a young one may still be at work."""
    for leftover in parent.glob(".*-*"):
        if leftover.is_dir() and time.time() - _last_written(leftover) > STALE_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)


def record_text(record: Record) -> str:
    return json.dumps(record.to_json(), ensure_ascii=False, default=str)


def rejection_line(rejection: Rejection) -> str:
    return json.dumps(asdict(rejection), ensure_ascii=False) + "\n"


def _last_written(folder: Path) -> float:
    return max([folder.stat().st_mtime, *(f.stat().st_mtime for f in folder.iterdir())])


def _open_private(path: Path) -> IO[Any]:
    """Of mode 0600 from its first byte on. Half surrogate pairs pass: they come from rows that were not readable."""
    return os.fdopen(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w", encoding="utf-8", errors="surrogatepass"
    )
