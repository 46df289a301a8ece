from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.tuneloop.data.rows import a_record
from tuneloop.data.slices import (
    LONG_VALUE,
    MAX_VALUES,
    MIN_ROWS_TO_COMPARE,
    NO_VALUE,
    NOT_ALLOWED,
    OTHER_VALUES,
    SliceAudit,
    audit,
    slice_values,
)
from tuneloop.errors import DataError
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Record

TEXT = AnswerFormat()
JSON = AnswerFormat(kind="json", labels={"topic": ("parcel", "refund"), "tone": ("kind", "cross")})


def labelled(number: int, topic: str = "parcel", source: str = "pool", **extra: Any) -> Record:
    answer = json.dumps({"topic": topic, "tone": "kind"})
    return replace(a_record(f"one two three {number}", answer, source=source), extra=extra)


def test_a_row_has_the_value_of_its_source_label_or_extra_field() -> None:
    row = labelled(1, "refund", source="desk", country="NZ", tags=["b", "a", "b"], count=3)

    assert slice_values(row, "source", JSON) == ["desk"]
    assert slice_values(row, "label:topic", JSON) == ["refund"]
    assert slice_values(row, "label:tone", JSON) == ["kind"]
    assert slice_values(row, "extra:country", JSON) == ["NZ"]
    assert slice_values(row, "extra:tags", JSON) == ["a", "b"]
    assert slice_values(row, "extra:count", JSON) == ["3"]
    assert slice_values(row, "extra:nothing", JSON) == []


def test_group_terms_are_read_in_question_and_answer_but_not_in_the_system_turn() -> None:
    row = a_record("For my wife", "He will like it.")

    assert slice_values(row, "group_term", TEXT) == ["gender:female", "gender:male"]


def test_text_of_a_row_never_becomes_a_value() -> None:
    wrong = labelled(1, "please call my aunt Wilma")
    row = labelled(2, mail="wilma@example.com", note="x" * 100)

    assert slice_values(wrong, "label:topic", JSON) == [NOT_ALLOWED]
    assert slice_values(row, "extra:mail", JSON) == ["<email>"]
    assert slice_values(row, "extra:note", JSON) == [LONG_VALUE]


@pytest.mark.parametrize("by", ["label:unknown", "extra:", "colour", "label:"])
def test_an_unknown_way_to_slice_is_refused_with_the_known_ones(by: str) -> None:
    with pytest.raises(DataError, match="label:topic"):
        slice_values(labelled(1), by, JSON)


def test_a_slice_says_how_many_rows_it_has_and_how_many_were_set_aside() -> None:
    kept = [a_record("one two three", "yes no", id=str(i), source="a") for i in range(3)]
    kept.append(a_record("one", "yes", source="b"))
    large, small, gone = audit(kept, [a_record("x", source="a"), a_record("y", source="c")], ["source"], TEXT)

    assert (large.value, large.rows, large.share, large.flagged_share) == ("a", 3, 0.75, 0.25)
    assert (large.prompt_words, large.answer_words) == (3, 2)
    assert (small.value, small.rows, small.flagged_share) == ("b", 1, 0)
    assert (gone.value, gone.rows, gone.share, gone.flagged_share) == ("c", 0, 0, 1)


def test_excess_is_how_far_the_labels_of_a_slice_lie_from_those_of_all() -> None:
    rows = [labelled(i, "parcel", "even") for i in range(40)] + [labelled(i, "refund", "odd") for i in range(40)]
    even, odd = audit(rows, [], ["source"], JSON)

    assert even.excess == odd.excess == pytest.approx(0.5)


def test_excess_is_not_given_for_few_rows_nor_without_labels_nor_for_the_label_itself() -> None:
    few = MIN_ROWS_TO_COMPARE - 1
    rows = [labelled(i, "parcel") for i in range(60)] + [labelled(i, "refund", "small") for i in range(few)]

    assert [s.excess is None for s in audit(rows, [], ["source"], JSON)] == [False, True]
    assert [s.excess for s in audit(rows, [], ["source"], TEXT)] == [None, None]
    assert [s.excess for s in audit(rows, [], ["label:topic"], JSON)] == [None, None]


def test_rows_without_a_value_are_a_slice_of_their_own() -> None:
    (nothing,) = audit([labelled(1), labelled(2)], [], ["extra:country"], JSON)

    assert (nothing.value, nothing.rows) == (NO_VALUE, 2)


def test_memory_is_bounded_by_the_number_of_values_that_are_told_apart() -> None:
    counted = SliceAudit(["extra:customer"], TEXT)
    for number in range(3 * MAX_VALUES):
        counted.add(labelled(number, customer=f"c{number}"), kept=True)
    slices = counted.slices()

    assert len(slices) == MAX_VALUES + 1
    assert (slices[0].value, slices[0].rows) == (OTHER_VALUES, 2 * MAX_VALUES)
