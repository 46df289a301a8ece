"""Raw rows out of files: JSONL, JSON, CSV and Parquet, one at a time, each with its line number.

A row that cannot be read is a `RawRow` with a problem, so that one bad line never costs the whole file. A file that
cannot be read at all is the user's to mend: `DataError`.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tuneloop.errors import DataError
from tuneloop.recipes import Source

MAX_LINE_BYTES = 4 * 1024 * 1024
"""A line beyond this is no training example; it is skipped without being held in memory."""

PARQUET_BATCH_ROWS = 1000

ENDINGS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}


@dataclass(frozen=True, slots=True)
class RawRow:
    """What stands on one line (1-based; in Parquet and JSON: one row). Either `value` or `problem` is set.

    `problem` is (reason, detail); neither repeats any text of the row. `raw` is the row's text where it could be read.
    """

    line: int
    value: Any = None
    problem: tuple[str, str] | None = None
    raw: str | None = None


def source_path(source: Source, *, root: Path, workspace: Path) -> Path:
    """Where the file of a source is. A `workspace:` file need not be there: the loop may not have written it yet.

    Raises:
        DataError: there is no such file or package.
    """
    kind, _, rest = source.path.partition(":")
    if kind == "workspace" and rest:
        return workspace / rest
    path = _in_package(source.name, rest) if kind == "package" and rest else root / source.path
    if not path.is_file():
        raise DataError(f"source {source.name}: there is no file {path}; paths start at the project's root, {root}")
    return path


def raw_rows(path: Path, file_format: str = "auto") -> Iterator[RawRow]:
    """All rows of a file, in order.

    Raises:
        DataError: the ending says nothing about the format, or the file as a whole is not what it says.
    """
    readers: dict[str, Callable[[Path], Iterator[RawRow]]] = {
        "jsonl": _jsonl,
        "json": _json,
        "csv": _csv,
        "parquet": _parquet,
    }
    return readers[_format_of(path, file_format)](path)


def _in_package(source: str, rest: str) -> Path:
    package, _, inner = rest.partition("/")
    name = package.replace("-", "_")
    spec = importlib.util.find_spec(name) if name.isidentifier() else None
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise DataError(f"source {source}: the package {package} is not installed; pip install {package}")
    return Path(folders[0]) / inner


def _format_of(path: Path, file_format: str) -> str:
    if file_format != "auto":
        return file_format
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: cannot tell the format by the ending; set `format` of the source in the recipe")
    return ENDINGS[path.suffix.lower()]


def _jsonl(path: Path) -> Iterator[RawRow]:
    with path.open("rb") as handle:
        number = 0
        while data := handle.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(data) > MAX_LINE_BYTES and not data.endswith(b"\n"):
                _skip_rest_of_line(handle)
                yield RawRow(number, problem=("line_too_long", f"longer than {MAX_LINE_BYTES // 1024**2} MiB"))
            elif data.strip():
                yield _json_line(number, data.removeprefix(b"\xef\xbb\xbf") if number == 1 else data)


def _skip_rest_of_line(handle: IO[bytes]) -> None:
    while (more := handle.readline(MAX_LINE_BYTES)) and not more.endswith(b"\n"):
        pass


def _json_line(number: int, data: bytes) -> RawRow:
    try:
        text = data.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        return RawRow(number, problem=("undecodable", f"not UTF-8 at byte {error.start}"), raw=data.decode("latin-1"))
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return RawRow(number, problem=("broken_json", f"{error.msg} at column {error.colno}"), raw=text)
    except (ValueError, RecursionError):  # a number of thousands of digits; brackets nested by the thousand
        return RawRow(number, problem=("broken_json", "a number or a nesting too large to read"), raw=text)
    return _checked(number, value, text)


def _checked(number: int, value: Any, text: str) -> RawRow:
    """JSON may hold half of a surrogate pair, which no UTF-8 file can: it would break everything downstream."""
    if "\\ud" in text.lower() and not _is_encodable(json.dumps(value, ensure_ascii=False)):
        return RawRow(number, problem=("undecodable", "half a surrogate pair"), raw=text)
    return RawRow(number, value=value, raw=text)


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json(path: Path) -> Iterator[RawRow]:
    """An array of rows, or an object of which one member is the array; JSONL under the wrong name is read as such."""
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        if _is_jsonl(path):
            yield from _jsonl(path)
            return
        raise DataError(f"{path} is not JSON; mend it, or export JSONL, where a bad line costs one row") from error
    for number, value in enumerate(_rows_in(document, path), 1):
        yield _checked(number, value, json.dumps(value))


def _is_jsonl(path: Path) -> bool:
    with path.open("rb") as handle:
        row = _json_line(1, handle.readline(MAX_LINE_BYTES))
    return isinstance(row.value, dict)


def _rows_in(document: Any, path: Path) -> list[Any]:
    if isinstance(document, list):
        return document
    lists = [v for v in document.values() if isinstance(v, list)] if isinstance(document, dict) else []
    if len(lists) != 1:
        raise DataError(f"{path}: expected a JSON array of rows, or an object with one such array inside")
    rows: list[Any] = lists[0]
    return rows


def _csv(path: Path) -> Iterator[RawRow]:
    # Bytes that are no UTF-8 become surrogates, which are found again row by row.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        reader = csv.reader(handle, delimiter=_delimiter(path))
        header: list[str] | None = None
        while True:
            first_line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield RawRow(first_line, problem=("broken_csv", "a quote that does not close, or a huge field"))
                continue
            if header is None:
                header = cells
            elif cells:
                yield _csv_row(first_line, header, cells)


def _delimiter(path: Path) -> str:
    with path.open("rb") as handle:
        header = handle.readline(MAX_LINE_BYTES)
    return max(",;\t", key=lambda d: header.count(d.encode()))


def _csv_row(number: int, header: list[str], cells: list[str]) -> RawRow:
    raw = json.dumps(cells)
    if any(not _is_encodable(c) for c in cells):
        return RawRow(number, problem=("undecodable", "not UTF-8"), raw=raw)
    if len(cells) != len(header):
        return RawRow(number, problem=("broken_csv", f"{len(cells)} fields under a header of {len(header)}"), raw=raw)
    return RawRow(number, value=dict(zip(header, cells, strict=True)), raw=raw)


def _parquet(path: Path) -> Iterator[RawRow]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file that can be read: {type(error).__name__}") from error
    number = 0
    for batch in file.iter_batches(batch_size=PARQUET_BATCH_ROWS):
        for value in batch.to_pylist():
            number += 1
            yield RawRow(number, value=value, raw=json.dumps(value, default=str))
