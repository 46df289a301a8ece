from __future__ import annotations

from tuneloop.records import Message, Record, content_hash

RECORD = Record(
    id="r1",
    messages=(Message("system", "Be brief."), Message("user", "Late?"), Message("assistant", "Tomorrow.")),
    source="desk",
    line=7,
    extra={"reviewer": "a1"},
)


def test_a_record_survives_json() -> None:
    assert Record.from_json(RECORD.to_json()) == RECORD


def test_the_answer_is_the_last_turn_and_the_prompt_all_before_it() -> None:
    assert RECORD.prompt == "Be brief.\nLate?"
    assert RECORD.completion == "Tomorrow."


def test_equal_content_has_equal_hashes_whatever_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": [2, "é"]}) == content_hash({"b": [2, "é"], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
