from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.tuneloop.data.rows import a_record
from tuneloop.data.leaks import leaked_rows
from tuneloop.errors import DataError
from tuneloop.records import Message, Record

LONG = "where is the blue kettle that I ordered from your shop two weeks ago"


def write(file: Path, *records: Record) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {"id": [r.id for r in records], "record": [json.dumps(r.to_json()) for r in records]}
    parquet.write_table(pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns])), file)
    return file


def test_rows_that_were_not_trained_on_do_not_leak(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", a_record(LONG, id="a"))
    test = write(tmp_path / "test.parquet", a_record("can I return a lamp", id="b"))

    assert leaked_rows(train, [test]) == []


def test_a_row_leaks_by_its_id_though_its_text_was_rewritten(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", a_record(LONG, id="a"))
    test = write(tmp_path / "test.parquet", a_record("can I return a lamp", id="a"))

    assert leaked_rows(train, [test]) == ["a"]


@pytest.mark.parametrize("prompt", [LONG, LONG.upper() + "?!", f"{LONG} please"])
def test_a_copy_or_near_copy_leaks_under_another_id(tmp_path: Path, prompt: str) -> None:
    train = write(tmp_path / "train.parquet", a_record("a lamp"), a_record(prompt, id="a"))
    test = write(tmp_path / "test.parquet", a_record("can I return a rake", id="c"), a_record(LONG, id="b"))

    assert leaked_rows(train, [test]) == ["b"]


def test_near_copies_are_left_alone_where_only_copies_are_asked_for(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", a_record(f"{LONG} please", id="a"), a_record("a lamp", id="b"))
    test = write(tmp_path / "test.parquet", a_record(LONG, id="c"), a_record("A lamp!", id="d"))

    assert leaked_rows(train, [test], near_jaccard=None) == ["d"]


def test_a_shared_system_turn_is_no_leak_and_does_not_hide_one(tmp_path: Path) -> None:
    def told(text: str, name: str) -> Record:
        turns = (
            Message("system", f"You answer for {name} and are brief."),
            Message("user", text),
            Message("assistant", "x"),
        )
        return Record(name, turns, "pool", 1)

    train = write(tmp_path / "train.parquet", told(LONG, "a"), told("a lamp", "b"))
    test = write(tmp_path / "test.parquet", told(LONG, "c"), told("a rake", "d"))

    assert leaked_rows(train, [test]) == ["c"]


def test_rows_of_several_test_files_are_named_once_in_their_order(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", a_record(LONG, id="a"), a_record("a lamp", id="b"))
    test = write(tmp_path / "test.parquet", a_record("a lamp", id="y"), a_record("a rake", id="w"))
    private = write(tmp_path / "private.parquet", a_record(LONG, id="x"), a_record("a lamp", id="y"))

    assert leaked_rows(train, [test, private]) == ["y", "x"]


def test_a_missing_file_is_no_proof_of_innocence(tmp_path: Path) -> None:
    train = write(tmp_path / "train.parquet", a_record(LONG))

    with pytest.raises(DataError, match="private"):
        leaked_rows(train, [tmp_path / "private.parquet"])


def test_ten_thousand_rows_take_seconds(tmp_path: Path) -> None:
    rows = [
        a_record(f"order {i} of {i * 7} lamps was {i % 13} days late on day {i % 31}", id=str(i)) for i in range(10_000)
    ]
    train, test = write(tmp_path / "train.parquet", *rows[:9_000]), write(tmp_path / "test.parquet", *rows[9_000:])

    begin = time.process_time()
    leaked = leaked_rows(train, [test], near_jaccard=0.99)

    assert leaked == []
    assert time.process_time() - begin < 20
