import json
import os
from dataclasses import asdict

import pytest

from tuneloop.drift.traffic import TrafficRow, append, read_since, read_window


def row(n: int, **changes) -> TrafficRow:
    return TrafficRow(
        **(
            {"id": f"t{n}", "time": "2026-11-01T10:00:00+00:00", "prompt": f"p{n}", "answer": "a", "model": "m"}
            | changes
        )
    )


@pytest.fixture
def log(tmp_path):
    return tmp_path / "traffic" / "desk.jsonl"


def test_a_log_that_is_not_there_has_no_rows(log):
    assert read_since(log) == []


def test_rows_come_back_as_they_went_in(log):
    rows = [row(1, prompt="two\nlines \u2028 \U0001f600"), row(2, sent="edited")]
    append(log, rows[:1])
    append(log, rows[1:])
    assert read_since(log) == rows
    assert oct(log.stat().st_mode & 0o777) == "0o600"


def test_reading_goes_on_behind_a_row(log):
    append(log, [row(1), row(2), row(3)])
    assert read_since(log, "t2") == [row(3)]
    assert read_since(log, "t3") == []


def test_after_a_rotation_everything_is_new(log):
    append(log, [row(7), row(8)])
    assert read_since(log, "t6") == [row(7), row(8)]


def test_a_repeated_id_counts_once(log):
    append(log, [row(1), row(2), row(1)])
    assert read_since(log) == [row(1), row(2)]


def test_a_line_that_is_still_being_written_is_not_read(log):
    append(log, [row(1)])
    with log.open("a") as stream:
        stream.write(json.dumps(asdict(row(2))))
    assert read_since(log) == [row(1)]


@pytest.mark.parametrize("kept", range(0, 90, 7))
def test_a_line_that_a_crash_cut_off_is_healed_by_the_next_writer(log, kept):
    append(log, [row(1)])
    with log.open("a") as stream:
        stream.write(json.dumps(asdict(row(2)))[:kept])
    append(log, [row(3)])
    assert read_since(log) == [row(1), row(3)]


def test_a_line_that_only_lacks_its_break_is_kept(log):
    append(log, [row(1)])
    with log.open("a") as stream:
        stream.write(json.dumps({k: v for k, v in asdict(row(2)).items() if v is not None}))
    append(log, [row(3)])
    assert read_since(log) == [row(1), row(2), row(3)]


def test_a_torn_line_longer_than_a_block_is_cut_away(log):
    append(log, [row(1)])
    with log.open("a") as stream:
        stream.write('{"prompt": "' + "x" * 200_000)
    append(log, [row(3)])
    assert read_since(log) == [row(1), row(3)]


def test_foreign_lines_are_passed_over(log):
    append(log, [row(1)])
    with log.open("a") as stream:
        stream.write('not json\n[1]\n{"id": "x"}\n')
    append(log, [row(2)])
    assert read_since(log) == [row(1), row(2)]


def test_several_processes_may_append_at_once(log):
    children = []
    for child in range(4):
        pid = os.fork()
        if pid == 0:
            for n in range(25):
                append(log, [row(child * 100 + n)])
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
    assert len(read_since(log)) == 100


def test_a_window_ends_with_the_row_it_is_named_by(log):
    append(log, [row(n) for n in range(6)])
    assert read_window(log, "t3", 2) == [row(2), row(3)]
    assert read_window(log, "t1", 40) == [row(0), row(1)]
    assert read_window(log, "gone", 2) == []
