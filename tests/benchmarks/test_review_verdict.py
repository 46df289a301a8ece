"""That the judge of the kill test sees what it is there for."""

import json
import sqlite3

import pytest

from benchmarks.review_verdict import of_ledger, responses_in
from tests.tuneloop.review.answers import PLAIN
from tuneloop.review.collecting import collect
from tuneloop.review.rows import read_rows, write_rows

VALUES = {"rating": {"value": 2}, "issues": {"value": ["voice"]}, "correction": {"value": "We are tracing it."}}
JOURNAL = {PLAIN.response_id: {"status": "submitted", "values": VALUES}}


@pytest.fixture
def folder(tmp_path):
    collect([PLAIN], folder=tmp_path)
    return tmp_path


def database(*rows):
    connection = sqlite3.connect(":memory:")
    connection.execute('CREATE TABLE responses (id, status, "values")')
    connection.executemany("INSERT INTO responses VALUES (?, ?, ?)", [(i, s, json.dumps(v)) for i, s, v in rows])
    return connection


def test_a_ledger_that_holds_what_was_acknowledged_is_right(folder):
    assert list(of_ledger(folder, JOURNAL, [PLAIN])) == []


def test_a_lost_response_is_seen_in_the_ledger(folder):
    lost = {"another": {"status": "submitted", "values": VALUES}}
    assert "misses 1" in next(of_ledger(folder, JOURNAL | lost, [PLAIN]))


def test_a_withdrawn_response_that_still_counts_is_seen(folder):
    withdrawn = {PLAIN.response_id: {"status": "discarded", "values": VALUES}}
    assert "counts 1 that are not" in next(of_ledger(folder, withdrawn, [PLAIN]))


def test_a_doubled_response_is_seen_in_the_ledger(folder):
    write_rows(folder / "responses.jsonl", read_rows(folder / "responses.jsonl") * 2)
    assert "twice" in next(of_ledger(folder, JOURNAL, [PLAIN]))


def test_an_older_content_is_seen_in_the_ledger(folder):
    newer = {PLAIN.response_id: {"status": "submitted", "values": VALUES | {"rating": {"value": 5}}}}
    assert "not what was acknowledged last" in next(of_ledger(folder, newer, [PLAIN]))


def test_a_doubled_correction_is_seen(folder):
    write_rows(folder / "corrections.jsonl", read_rows(folder / "corrections.jsonl") * 2)
    assert any("corrections.jsonl" in problem for problem in of_ledger(folder, JOURNAL, [PLAIN]))


def test_what_a_killed_writer_left_is_seen(folder):
    (folder / ".responses.jsonl.1.new").write_text("{")
    assert "left behind" in next(of_ledger(folder, JOURNAL, [PLAIN]))


def test_lost_changed_and_unknown_responses_are_seen_in_the_server():
    there = ("a" * 32, "submitted", {"rating": {"value": 1}})
    name = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
    said = {"status": "submitted", "values": {"rating": {"value": 1}}}
    assert list(responses_in(database(there), {name: said})) == []
    assert "lost" in next(responses_in(database(), {name: said}))
    assert "nobody's journal" in next(responses_in(database(there), {}))
    assert "not what was acknowledged" in next(responses_in(database(there), {name: said | {"status": "draft"}}))
