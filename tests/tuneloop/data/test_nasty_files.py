"""Whatever stands in a file: no exception but `DataError`, and no row that is neither a record nor a rejection."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tuneloop.data.files import RawRow, raw_rows
from tuneloop.data.reading import read_sources
from tuneloop.errors import DataError
from tuneloop.recipes import Source
from tuneloop.records import Record, Rejection

GOOD = b'{"prompt": "a", "completion": "b"}'
UTF_16_AND_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
ENDINGS = ("jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "json.bz2", "csv.xz", "jsonl.zst")

# Bytes that mean something to one reader or the other, so that chance comes across their corners.
PIECES = [b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\ud800"]
nasty_bytes = st.lists(
    st.sampled_from([*PIECES, b"\xff\xfe", b"1e999", b"NaN", b"a", b" ", GOOD]) | st.binary(max_size=4)
)


def read(path: Path) -> list[Record | Rejection]:
    return list(read_sources([Source(name="s", path=str(path))], root=path.parent, workspace=path.parent))


def outcomes(path: Path) -> list[str]:
    try:
        return ["record" if isinstance(row, Record) else row.reason for row in read(path)]
    except DataError:
        return ["DataError"]


def with_file(name: str, data: bytes, look: Callable[[Path], Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data)
        return look(path)


def all_raw(path: Path) -> list[RawRow] | None:
    try:
        return list(raw_rows(path))
    except DataError:
        return None


@given(data=nasty_bytes.map(b"".join), ending=st.sampled_from(ENDINGS))
def test_no_bytes_under_any_ending_raise_anything_but_a_data_error(data: bytes, ending: str) -> None:
    def every_raw_row_is_accounted_for(path: Path) -> bool:
        raw = all_raw(path)
        return outcomes(path) == ["DataError"] if raw is None else len(read(path)) == len(raw)

    assert with_file(f"a.{ending}", data, every_raw_row_is_accounted_for)


@given(data=nasty_bytes.map(b"".join).filter(lambda d: not d.startswith(UTF_16_AND_32)))
def test_every_line_that_is_not_blank_is_a_record_or_a_rejection_with_its_number(data: bytes) -> None:
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]

    assert [r.line for r in with_file("a.jsonl", data, read)] == filled


damages: list[Callable[[bytes, int], bytes]] = [
    lambda line, at: line[:at],
    lambda line, at: line[:at] + b"\xff" + line[at:],
    lambda line, at: line[:at] + b"\x00" + line[at:],
    lambda line, at: line[:at] + b'"' + line[at:],
    lambda line, at: line[:at] + line[at:][::-1],
    lambda line, _: line + line,
    lambda line, _: line[:-1] + b', "prompt": 1}',
    lambda line, _: b"[" * 2000 + line,
    lambda line, _: line.decode().encode("utf-16-le").replace(b"\n", b""),
]


@given(
    hurt=st.lists(st.none() | st.tuples(st.sampled_from(damages), st.integers(1, len(GOOD) - 1)), max_size=12),
    newline=st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\n"]),
)
def test_damaged_lines_never_touch_the_sound_ones(
    hurt: list[tuple[Callable[[bytes, int], bytes], int] | None], newline: bytes
) -> None:
    lines = [damage[0](GOOD, damage[1]) if damage else GOOD for damage in hurt]

    rows = with_file("a.jsonl", newline.join(lines), read)

    assert len(rows) == len(lines)
    assert all(isinstance(row, Record) for row, line in zip(rows, lines, strict=True) if line == GOOD)


@given(count=st.integers(1, 6), wrapped=st.booleans(), data=st.data())
def test_a_json_file_that_is_cut_gives_the_rows_before_the_cut(
    count: int, *, wrapped: bool, data: st.DataObject
) -> None:
    rows = [{"prompt": f"p{n}", "completion": "ü" * n} for n in range(count)]
    whole = json.dumps({"rows": rows} if wrapped else rows, ensure_ascii=False).encode()
    cut = data.draw(st.integers(0, len(whole) - 1))
    complete = sum(json.dumps(r, ensure_ascii=False).encode() in whole[:cut] for r in rows)

    raw = with_file("a.json", whole[:cut], all_raw)

    if complete:
        assert [r.value for r in raw] == [*rows[:complete], None]
        assert (raw[-1].line, raw[-1].problem[0]) == (complete + 1, "broken_json")
    else:
        assert raw is None


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(rows=st.lists(st.tuples(cells, cells), max_size=8), mark=st.booleans())
def test_what_a_csv_writer_writes_is_read_back_with_the_lines_it_stands_on(
    rows: list[tuple[str, str]], *, mark: bool
) -> None:
    handle = io.StringIO(newline="")
    writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
    writer.writerow(["prompt", "completion"])
    numbers = []
    for row in rows:
        numbers.append(len(io.StringIO(handle.getvalue(), newline=None).readlines()) + 1)
        writer.writerow(row)

    found = with_file("a.csv", handle.getvalue().encode("utf-8-sig" if mark else "utf-8"), all_raw)

    assert [(r.line, r.value) for r in found] == [
        (number, {"prompt": prompt, "completion": completion})
        for number, (prompt, completion) in zip(numbers, rows, strict=True)
    ]


@given(rows=st.integers(1, 40), data=st.data())
def test_a_damaged_parquet_file_loses_no_row_in_silence(rows: int, data: st.DataObject) -> None:
    handle = io.BytesIO()
    table = pa.table({"prompt": [f"p{n}" for n in range(rows)], "completion": ["c"] * rows})
    parquet.write_table(table, handle, row_group_size=7, write_page_checksum=True)
    whole = handle.getvalue()
    at = data.draw(st.integers(4, len(whole) - 1))
    damage = data.draw(st.sampled_from([whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]]))

    found = with_file("a.parquet", damage, all_raw)

    for row in found or []:
        assert row.problem or row.value
    if found is not None and not any(row.problem for row in found):
        assert len(found) == rows


ROW = "record"
CORPUS: dict[str, tuple[str, bytes, list[str]]] = {
    "nothing": ("a.jsonl", b"", []),
    "nothing in a table": ("a.csv", b"", []),
    "nothing in JSON": ("a.json", b"", ["DataError"]),
    "nothing in Parquet": ("a.parquet", b"", ["DataError"]),
    "nothing, packed": ("a.jsonl.gz", b"", []),
    "only blanks": ("a.jsonl", b" \t\n\r\n\n  ", []),
    "only blanks in JSON": ("a.json", b" \n ", ["DataError"]),
    "only blanks in a table": ("a.csv", b"\n \n\t\n", []),
    "only a byte order mark": ("a.jsonl", codecs.BOM_UTF8, []),
    "only a long byte order mark": ("a.csv", codecs.BOM_UTF32_BE, []),
    "CRLF": ("a.jsonl", GOOD + b"\r\n" + GOOD + b"\r\n", [ROW, ROW]),
    "UTF-16 without mark": ("a.jsonl", GOOD.decode().encode("utf-16-le"), ["broken_json"]),
    "UTF-16 with half a character": ("a.jsonl", GOOD.decode().encode("utf-16") + b"\n", ["undecodable"]),
    "a mark on each line": ("a.jsonl", codecs.BOM_UTF8 + GOOD + b"\n" + codecs.BOM_UTF8 + GOOD, [ROW, "broken_json"]),
    "raw NUL bytes": (
        "a.jsonl",
        b'{"prompt": "a\x00", "completion": "b"}\n\x00\x00\n' + GOOD,
        ["broken_json"] * 2 + [ROW],
    ),
    "NUL escapes": ("a.jsonl", b'{"prompt": "a\\u0000", "completion": "b"}', [ROW]),
    "NUL bytes in a table": ("a.csv", b"prompt,completion\na\x00,b\n\x00\n", [ROW, "broken_csv"]),
    "nested 100,000 deep": ("a.jsonl", b"[" * 100_000 + b"\n" + b"[" * 100_000 + b"]" * 100_000, ["broken_json"] * 2),
    "nested 100,000 deep in JSON": ("a.json", b"[" * 100_000 + b"]" * 100_000, ["DataError"]),
    "objects nested deeply": ("a.jsonl", b'{"extra":' * 300 + b"1" + b"}" * 300, ["broken_json"]),
    "duplicate keys": (
        "a.jsonl",
        b'{"prompt": "a", "completion": "b", "prompt": "c"}\n' + GOOD,
        ["duplicate_key", ROW],
    ),
    "duplicate keys on the first line of JSONL named .json": (
        "a.json",
        b'{"prompt": "a", "completion": "b", "prompt": "c"}\n' + GOOD,
        ["duplicate_key", ROW],
    ),
    "half a pair": ("a.jsonl", b'{"prompt": "\\ud83d", "completion": "b"}', ["undecodable"]),
    "a whole pair": ("a.jsonl", b'{"prompt": "\\ud83d\\ude00", "completion": "b"}', [ROW]),
    "half a pair in a key": (
        "a.jsonl",
        b'{"extra": {"\\uDFFF": 1}, "prompt": "a", "completion": "b"}',
        ["undecodable"],
    ),
    "half a pair as bytes": ("a.jsonl", b'{"prompt": "\xed\xa0\x80", "completion": "b"}', ["undecodable"]),
    "huge numbers": (
        "a.jsonl",
        b'{"id": 1' + b"0" * 4000 + b', "prompt": "a", "completion": "b"}\n' + b"9" * 5000 + b"\n1e999999",
        [ROW, "broken_json", "wrong_type"],
    ),
    "no numbers": (
        "a.jsonl",
        b'{"id": NaN, "prompt": "a", "completion": "b", "extra": {"x": -Infinity}}\n{"prompt": NaN, "completion": "b"}',
        [ROW, "missing_field"],
    ),
    "scalars": ("a.jsonl", b'1\n"a"\nnull\ntrue\n[]', ["wrong_type"] * 5),
    "a scalar as JSON": ("a.json", b"17", ["DataError"]),
    "scalars in an array": ("a.json", b'[1, "a", null, [], {}]', ["wrong_type"] * 4 + ["missing_field"]),
    "two documents": ("a.json", b"[" + GOOD + b"]\n[" + GOOD + b"]", [ROW, "broken_json"]),
    "a comma too much": ("a.json", b"[" + GOOD + b",]", [ROW, "broken_json"]),
    "an array behind other things": ("a.json", b'{"a": {"b": [1]}, "rows": [' + GOOD + b'], "n": 1}', [ROW]),
    "an array that is cut in its object": ("a.json", b'{"rows": [' + GOOD + b"]", [ROW, "broken_json"]),
    "embedded newlines": ("a.csv", b'prompt,completion\n"a\n\r\nb",c\nd,e\n', [ROW, ROW]),
    "a quote that does not close": ("a.csv", b'prompt,completion\na,b\nc,"d\ne,f\n', [ROW, "broken_csv"]),
    "a stray quote": ("a.csv", b'prompt,completion\n"a"b,c\nd,e\n', ["broken_csv", ROW]),
    "too few and too many fields": ("a.csv", b"prompt,completion\na\na,b,c\na,b\n", ["broken_csv"] * 2 + [ROW]),
    "a header that is blank": ("a.csv", b",\na,b\n", ["DataError"]),
    "a header with a name twice": ("a.csv", b"prompt,prompt\na,b\n", ["DataError"]),
    "a header that is not UTF-8": ("a.csv", b"prompt,\xff\na,b\n", ["DataError"]),
    "no header": ("a.csv", b"hello,there\nhow,are you\n", ["missing_field"]),
    "only a header": ("a.csv", b"prompt,completion", []),
    "old newlines": ("a.csv", b"prompt,completion\ra,b\rc,d", [ROW, ROW]),
    "a pretty zip bomb's beginning": ("a.jsonl.gz", gzip.compress(GOOD + b"\n" + bytes(10**7)), [ROW, "line_too_long"]),
    "garbage behind an archive": ("a.jsonl.gz", gzip.compress(GOOD + b"\n") + b"garbage", [ROW, "truncated_file"]),
    "a packed table of columns": ("a.parquet.gz", gzip.compress(b"PAR1"), ["DataError"]),
}


@pytest.mark.parametrize("case", CORPUS)
def test_each_nasty_file_comes_to_a_known_end(tmp_path: Path, case: str) -> None:
    name, data, expected = CORPUS[case]
    (tmp_path / name).write_bytes(data)

    assert outcomes(tmp_path / name) == expected


def test_a_line_of_50_mb_is_set_aside_in_little_memory(tmp_path: Path) -> None:
    huge = b"x" * 50_000_000
    (tmp_path / "a.jsonl").write_bytes(huge + b"\n" + GOOD)
    (tmp_path / "a.csv").write_bytes(b'prompt,completion\n"' + huge + b"\n" + b"a,b\n")
    (tmp_path / "a.json").write_bytes(b"[" + GOOD + b', "' + huge + b'"]')

    tracemalloc.start()
    paths = [tmp_path / f"a.{ending}" for ending in ("jsonl", "csv", "json")]
    found = [[r.problem and r.problem[0] for r in raw_rows(path, max_row_bytes=100_000)] for path in paths]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found == [["line_too_long", None], ["line_too_long", None], [None, "broken_json"]]
    assert peak < 10_000_000
