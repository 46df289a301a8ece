"""How large the pages of a Parquet file become when they are unpacked, read from the headers that the reader obeys.

The reader allocates what a page's own header says (parquet.thrift, `PageHeader`), whatever the file's footer tells, and
pyarrow has no limit of its own: a kilobyte can become gigabytes by compression, by a dictionary whose one text a
thousand rows name, or by a list without end.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuneloop.readable_files import MIB

MAX_FOOTER_BYTES = 16 * MIB
MAX_UNPACKED_BYTES = 128 * MIB
"""Of the largest pages of all columns, which are in memory side by side."""
MAX_LIST_VALUES = 8_000_000
"""In one column of one row group, where a row may have many: a single row may have them all."""
BATCH_BYTES = 48 * MIB
BATCH_ROWS = 1000

_SHARED_ENCODINGS = (2, 7, 8)
"""PLAIN_DICTIONARY, DELTA_BYTE_ARRAY, RLE_DICTIONARY: a value may be as long as all that is written once."""
_DICTIONARY_PAGE = 2
_DATA_PAGES = {5: 2, 8: 4}
"""Field of a data page's own header, version 1 and 2 -> field in it that names the encoding."""
_STRUCT, _LIST, _SET, _MAP, _BINARY, _DOUBLE = 12, 9, 10, 11, 8, 7
_MAX_DEPTH = 16


class TooLargeError(Exception):
    """The message is the rest of a sentence that began with the file's name."""


@dataclass(slots=True)
class _Column:
    largest: int = 0
    dictionary: int = 0
    values: int = 0
    value_bytes: float = 0.0
    """Of one value, at most: on average over its page, or all of a page or dictionary that values share."""


def batch_rows(content: mmap.mmap, group: Any) -> int:
    """So many rows of a row group can be unpacked at once.

    Args:
        content: the whole file.
        group: pyarrow's `RowGroupMetaData`.

    Raises:
        TooLargeError: not even one, within reason.
    """
    unpacked, row_bytes = 0, 1.0
    for index in range(group.num_columns):
        chunk = group.column(index)
        found = _measured(content, chunk)
        unpacked += found.largest + found.dictionary
        per_row = max(1.0, found.values / max(1, group.num_rows))
        row_bytes += per_row * found.value_bytes
        if per_row > 1 and found.values > MAX_LIST_VALUES:
            raise TooLargeError(
                f"has lists with {found.values:,} values in {chunk.path_in_schema!r}, and at most {MAX_LIST_VALUES:,} "
                "of a row group are read; leave the column out, or write fewer rows to a group (row_group_size)"
            )
    if unpacked > MAX_UNPACKED_BYTES:
        raise TooLargeError(
            f"has pages that unpack to {unpacked / MIB:,.0f} MiB, and at most {MAX_UNPACKED_BYTES // MIB} are read at "
            "once; export it as JSONL, or write it with smaller pages (write_batch_size)"
        )
    return int(min(BATCH_ROWS, max(1, BATCH_BYTES / row_bytes)))


def _measured(content: mmap.mmap, chunk: Any) -> _Column:
    found = _Column()
    for header in _headers(content, chunk):
        size = _count(header, 2)
        if header.get(1) == _DICTIONARY_PAGE:
            found.dictionary = max(found.dictionary, size)
            continue
        found.largest = max(found.largest, size)
        for field, encoding in _DATA_PAGES.items():
            data = header.get(field)
            if isinstance(data, dict):
                values = _count(data, 1)
                found.values += values
                is_shared = data.get(encoding) in _SHARED_ENCODINGS
                share = max(size, found.dictionary) if is_shared else size / max(1, values)
                found.value_bytes = max(found.value_bytes, share)
    return found


def _headers(content: mmap.mmap, chunk: Any) -> Iterator[Mapping[int, Any]]:
    """Of all pages of a column, until something is no header: there the reader ends, too."""
    starts = [start for start in (chunk.dictionary_page_offset, chunk.data_page_offset) if start]
    position = min(starts, default=-1)
    end = min(position + chunk.total_compressed_size, len(content))
    while 0 <= position < end:
        reader = _Compact(content, position)
        try:
            header = reader.struct()
        except (IndexError, ValueError):
            return
        yield header
        position = reader.position + _count(header, 3)


def _count(fields: Mapping[int, Any], field: int) -> int:
    value = fields.get(field)
    return max(0, value) if isinstance(value, int) else 0


class _Compact:
    """Thrift's compact protocol, as much of it as there is in a page's header."""

    def __init__(self, content: mmap.mmap, position: int) -> None:
        self.content = content
        self.position = position

    def struct(self, depth: int = 0) -> dict[int, Any]:
        if depth > _MAX_DEPTH:
            raise ValueError("nested too deep")
        fields: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            delta, kind = head >> 4, head & 15
            field = field + delta if delta else self._zigzag()
            fields[field] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):
            return kind == 1
        if kind == _STRUCT:
            return self.struct(depth + 1)
        if kind in (_LIST, _SET, _MAP):
            raise ValueError("no page's header has one")
        if kind in (_BINARY, _DOUBLE):
            self.position += self._varint() if kind == _BINARY else 8
            return None
        return self._byte() if kind == 3 else self._zigzag()  # noqa: PLR2004 (a byte)

    def _byte(self) -> int:
        value = self.content[self.position]
        self.position += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:  # noqa: PLR2004 (the top bit says that there is more)
                return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
