"""What needs no server; test_argilla_desk_live.py has the rest."""

import math

import pytest

from tuneloop.adapters.argilla_desk import ArgillaDesk, answer_of, record_of
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewItem

ITEM = ReviewItem("i1", "a prompt", "an answer", "abc", {"rouge_l": 0.5})
RECORD = {"external_id": "i1", "fields": {"prompt": "a prompt", "answer": "an answer"}, "metadata": {"model": "abc"}}
RESPONSE = {
    "id": "r1",
    "user_id": "u1",
    "status": "submitted",
    "inserted_at": "2026-11-01T09:59:00",
    "updated_at": "2026-11-01T10:00:00.5",
    "values": {"rating": {"value": 4}, "correction": {"value": "better"}},
}


def answer(**values):
    given = {name: {"value": value} for name, value in values.items()}
    return answer_of(RECORD, RESPONSE | {"values": given}, "set", "reviewer-{}".format)


def test_the_answer_is_suggested_as_the_correction_and_nothing_else_is_suggested():
    assert record_of(ITEM, "q-correction") == {
        "external_id": "i1",
        "fields": {"prompt": "a prompt", "answer": "an answer"},
        "metadata": {"model": "abc", "rouge_l": 0.5},
        "suggestions": [{"question_id": "q-correction", "value": "an answer", "agent": "abc", "type": "model"}],
    }


def test_an_empty_answer_is_not_suggested():
    assert "suggestions" not in record_of(ReviewItem("i", "p", " ", "m", {}), "q")


def test_text_that_no_database_takes_is_made_storable():
    fields = record_of(ReviewItem("i", "a\x00b", "c\ud800d", "m", {}), "q")["fields"]
    assert fields == {"prompt": "a\ufffdb", "answer": "c?d"}


def test_scores_that_json_cannot_hold_are_left_out():
    scores = {"ok": 1, "Odd Name": 0.5, "nan": math.nan, "inf": math.inf}
    assert record_of(ReviewItem("i", "p", "a", "m", scores), "q")["metadata"] == {
        "model": "m",
        "ok": 1,
        "odd_name": 0.5,
    }


def test_a_response_is_read_with_its_time_in_utc_and_its_reviewer_under_a_pseudonym():
    found = answer_of(RECORD, RESPONSE, "desk-round-1", "reviewer-{}".format)
    assert (found.response_id, found.item_id, found.review_set) == ("r1", "i1", "desk-round-1")
    assert (found.rating, found.correction, found.reviewer) == (4, "better", "reviewer-u1")
    assert found.submitted_at == "2026-11-01T10:00:00.500000+00:00"


def test_an_untouched_suggestion_is_no_correction():
    assert answer(rating=5, correction=" an answer\n").correction is None


def test_issues_and_the_flag_come_as_issues():
    assert answer(rating=1, issues=["voice"], flag="personal_data").issues == ("voice", "flag:personal_data")


def test_a_response_without_values_says_nothing():
    found = answer_of(RECORD, RESPONSE | {"values": None}, "set", str)
    assert (found.rating, found.issues, found.correction) == (None, (), None)


@pytest.mark.slow
def test_a_server_that_is_not_there_is_reported_with_advice():
    with pytest.raises(ServiceError, match="tuneloop up"):
        ArgillaDesk("http://127.0.0.1:9", "some-key").answers("desk")
