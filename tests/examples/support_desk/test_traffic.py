import json
from datetime import UTC, datetime
from pathlib import Path

from examples.support_desk.traffic import ROWS, send_traffic
from tuneloop.drift.traffic import read_since

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_scripted_traffic_is_sent_once_and_says_that_it_is_scripted(tmp_path):
    said = []
    log = tmp_path / "desk.jsonl"
    count = len(Path(ROWS).read_text().splitlines())
    assert send_traffic(log, now=NOW, say=said.append) == count
    assert send_traffic(log, now=NOW, say=said.append) == 0
    assert "no real ones" in said[0]
    assert len(read_since(log)) == count


def test_every_second_row_carries_what_was_sent(tmp_path):
    send_traffic(tmp_path / "desk.jsonl", now=NOW, draft=str.upper, say=[].append)
    rows = read_since(tmp_path / "desk.jsonl")
    first = json.loads(Path(ROWS).read_text().splitlines()[0])
    assert [row.sent is not None for row in rows[:4]] == [True, False, True, False]
    assert (rows[0].sent, rows[0].answer) == (first["completion"], first["prompt"].upper())
    assert rows[-1].time == "2026-11-01T00:00:00+00:00"
