"""What small files become when they are unpacked: counted before a row is read, or while it is."""

from __future__ import annotations

import gzip
import lzma
import mmap
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tuneloop.data.arrow_files import parquet_rows
from tuneloop.data.files import raw_rows
from tuneloop.data.parquet_pages import BATCH_ROWS, TooLargeError, batch_rows
from tuneloop.data.streams import require_ratio
from tuneloop.errors import DataError

MIB = 1024**2


def rows_at_once(path: Path) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return batch_rows(content, parquet.ParquetFile(path).metadata.row_group(0))


def shared(path: Path, text: str, rows: int) -> Path:
    """A column of a dictionary with one text that all rows name."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([text]))
    parquet.write_table(pa.table({"prompt": column}), path, compression="zstd")
    return path


def test_an_ordinary_file_is_read_a_thousand_rows_at_a_time(tmp_path: Path) -> None:
    table = pa.table({"messages": [[{"role": "user", "content": f"{n} " * 40}] * 2 for n in range(5000)]})
    parquet.write_table(table, tmp_path / "a.parquet")

    assert rows_at_once(tmp_path / "a.parquet") == BATCH_ROWS


def test_a_text_that_rows_share_is_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    assert rows_at_once(shared(tmp_path / "a.parquet", "x" * MIB, 50)) < 50


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "PLAIN"])
def test_long_texts_are_read_a_few_rows_at_a_time_however_they_are_encoded(tmp_path: Path, encoding: str) -> None:
    table = pa.table({"prompt": ["x" * MIB] * 60})
    parquet.write_table(
        table, tmp_path / "a.parquet", use_dictionary=False, column_encoding={"prompt": encoding}, compression="zstd"
    )

    assert rows_at_once(tmp_path / "a.parquet") < 60


def test_pages_that_are_too_large_are_refused_whatever_the_footer_says(tmp_path: Path) -> None:
    table = pa.table({"prompt": ["x" * (129 * MIB)]})
    parquet.write_table(table, tmp_path / "a.parquet", use_dictionary=False, compression="zstd", write_statistics=False)

    with pytest.raises(TooLargeError, match="pages that unpack to 129 MiB"):
        rows_at_once(tmp_path / "a.parquet")


def test_a_row_that_is_too_long_is_set_aside(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"prompt": ["a", "x" * (5 * MIB), "b"]}), tmp_path / "a.parquet")

    assert [row.problem and row.problem[0] for row in parquet_rows(tmp_path / "a.parquet")] == [
        None, "line_too_long", None,
    ]  # fmt: skip


def test_a_large_dictionary_of_short_texts_is_no_long_row(tmp_path: Path) -> None:
    texts = pa.array([f"{n} " * 500 for n in range(3000)])
    column = pa.DictionaryArray.from_arrays(pa.array(range(3000), pa.int32()), texts)
    parquet.write_table(pa.table({"prompt": column}), tmp_path / "a.parquet")

    assert [row.value for row in parquet_rows(tmp_path / "a.parquet")] == [{"prompt": str(text)} for text in texts]


def test_a_small_file_that_becomes_gigabytes_is_refused_before_its_first_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.parquet unpacks to more than 256 MiB, over 200 times its size"):
        next(parquet_rows(shared(tmp_path / "a.parquet", "x" * MIB, 300)))


def test_what_packs_well_is_no_bomb_while_it_is_small(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"prompt": "a", "completion": "b"}\n' * 100_000))

    assert sum(1 for _ in raw_rows(tmp_path / "a.jsonl.gz")) == 100_000
    require_ratio(tmp_path / "a.jsonl.gz", packed_bytes=10 * 1024 * MIB, unpacked_bytes=100 * 1024 * MIB)


def test_an_xz_file_may_ask_for_what_xz_makes_and_no_more(tmp_path: Path) -> None:
    row = b'{"prompt": "a", "completion": "b"}\n'
    largest = [{"id": lzma.FILTER_LZMA2, "dict_size": 64 * MIB}]
    (tmp_path / "a.jsonl.xz").write_bytes(lzma.compress(row, filters=largest) + lzma.compress(row))
    packed = lzma.compress(row, format=lzma.FORMAT_ALONE)
    (tmp_path / "b.jsonl.xz").write_bytes(packed[:1] + b"\0\0\0\xf0" + packed[5:])

    assert [row.line for row in raw_rows(tmp_path / "a.jsonl.xz")] == [1, 2]
    with pytest.raises(DataError, match=r"b\.jsonl\.xz cannot be unpacked"):
        list(raw_rows(tmp_path / "b.jsonl.xz"))
