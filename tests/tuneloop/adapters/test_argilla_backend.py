"""Items as records, responses as answers, and forms: what needs no server; the rest is beside."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.forms import SIGNS, dataset_of, fields_of, guidelines_of, metadata_of, unwrapped
from tuneloop.adapters.argilla.questions import defused, questions_of, restored
from tuneloop.adapters.argilla.records import answer_of, record_of
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewForm, ReviewItem

KINDS = ("answers", "preference", "data_sample", "red_team", "drifted_slice", "adjudication")
FORMATS = ("plain", "markdown", "chat")
TAGS = ("wrong_fact", "voice")
DIMENSIONS = ("factuality", "relevance", "coherence", "safety", "adherence")
ITEM = ReviewItem("i1", "a prompt", "an answer", "abc", {"rouge_l": 0.5}, labels={"slice": "billing"})
TWO = ReviewItem("i2", "a prompt", "one", "abc", {}, alternative="other", alternative_model="def")
RESPONSE = {
    "id": "r1",
    "user_id": "u1",
    "status": "submitted",
    "inserted_at": "2026-11-01T09:59:00",
    "updated_at": "2026-11-01T10:00:00.5",
}
FIRST_VERSION = {"name": "old-round-1", "metadata": None}
"""Sets of the first version asked for rating, issues, correction and flag, and knew nothing of themselves."""


def form(kind="answers", text_format="plain"):
    return ReviewForm("Be kind.", kind, TAGS, DIMENSIONS, min_submitted=2, text_format=text_format)


def said_of(item, kind="answers", text_format="plain", **values):
    """What comes back of an item when somebody has given these answers to a form's questions."""
    asked = form(kind, text_format)
    record = record_of(item, asked, "q") | {"id": "7"}
    response = RESPONSE | {"values": {name: {"value": value} for name, value in values.items()}}
    return answer_of(record, response, dataset_of("set", "w", asked), "reviewer-{}".format)


def names(questions):
    return [q["name"] + ("*" if q["required"] else "") for q in questions]


def test_every_kind_asks_its_own_questions_in_a_sensible_order():
    assert {kind: names(questions_of(form(kind))) for kind in KINDS} == {
        "answers": ["rating*", "issues", "correction", "flag", *DIMENSIONS],
        "drifted_slice": ["rating*", "issues", "correction", "flag", *DIMENSIONS],
        "preference": ["preferred*", "correction", "flag"],
        "data_sample": ["fit*", "issues", "correction", "flag"],
        "red_team": ["failure*", "severity", "correction", "flag"],
        "adjudication": ["preferred*", "correction", "rating*", "flag"],
    }


def test_what_is_not_wanted_is_not_asked():
    assert names(questions_of(ReviewForm("", "answers"))) == ["rating*", "correction", "flag"]


def test_a_single_issue_tag_gets_a_second_because_argilla_wants_two():
    issues = questions_of(ReviewForm("", "answers", ("voice", "voice")))[1]
    assert [option["value"] for option in issues["settings"]["options"]] == ["voice", "other"]


def test_plain_answers_are_compared_side_by_side_and_markdown_one_below_the_other():
    shown = {f: [field["name"] for field in fields_of(form("preference", f))] for f in FORMATS}
    assert shown["plain"] == ["prompt", "answers"]
    assert shown["markdown"] == shown["chat"] == ["prompt", "answer", "alternative"]


def test_a_chat_is_one_conversation():
    assert [(f["name"], f["settings"]["type"]) for f in fields_of(form(text_format="chat"))] == [
        ("conversation", "chat")
    ]


def test_only_owners_are_shown_models_and_why_an_item_was_chosen():
    hidden = ReviewItem(
        "i", "p", "a", "m", {"words": 1.0}, labels={"slice": "billing", "_x": "y", "chosen_by": "random"}
    )
    properties = metadata_of([hidden, TWO], form("preference"))
    assert {p["name"]: p["visible_for_annotators"] for p in properties} == {
        "_x": False,
        "chosen_by": False,
        "slice": True,
        "words": True,
        "model": False,
        "alternative_model": False,
    }


def test_guidelines_begin_with_what_is_to_be_done_and_end_within_argillas_limit():
    assert guidelines_of(form("red_team")).endswith("Be kind.")
    assert len(guidelines_of(ReviewForm("x" * 20_000))) == SIGNS


def test_paragraphs_are_joined_and_lists_tables_and_code_keep_their_lines():
    wrapped = "# Rules\nBe\nkind.\n\n- one\n  more\n- two\n\n| a |\n|---|\n\n```\nx\ny\n```\nhard  \nbreak"
    joined = "# Rules\nBe kind.\n\n- one more\n- two\n\n| a |\n|---|\n\n```\nx\ny\n```\nhard  \nbreak"
    assert unwrapped(wrapped) == joined


def test_the_answer_is_suggested_as_the_correction_and_nothing_else_is_suggested():
    assert record_of(ITEM, form(), "q-correction") == {
        "external_id": "i1",
        "fields": {"prompt": "a prompt", "answer": "an answer"},
        "metadata": {"model": "abc", "rouge_l": 0.5, "slice": "billing"},
        "suggestions": [{"question_id": "q-correction", "value": "an answer", "type": "model"}],
    }


@pytest.mark.parametrize("kind", ["preference", "red_team", "adjudication"])
def test_where_no_answer_is_the_one_to_be_mended_nothing_is_suggested(kind):
    assert "suggestions" not in record_of(TWO, form(kind), "q")


def test_an_empty_answer_is_not_suggested():
    assert "suggestions" not in record_of(ReviewItem("i", "p", " ", "m", {}), form(), "q")


def test_text_that_no_database_takes_is_made_storable():
    fields = record_of(ReviewItem("i", "a\x00b", "c\ud800d", "m", {}), form(), "q")["fields"]
    assert fields == {"prompt": "a\ufffdb", "answer": "c?d"}


def test_scores_that_json_cannot_hold_are_left_out():
    scores = {"ok": 1, "Odd Name": 0.5, "nan": math.nan, "inf": math.inf}
    metadata = record_of(ReviewItem("i", "p", "a", "m", scores), form(), "q")["metadata"]
    assert metadata == {"model": "m", "ok": 1, "odd_name": 0.5}


@pytest.mark.parametrize("active", ["<script>", "a &lt; b", "![x](http://there/x.png)", "$'", "</p>"])
def test_foreign_text_loses_its_power_and_no_sign_of_it(active):
    shown = defused(active)
    assert active not in shown
    assert shown.replace("\u2060", "") == active
    assert restored(shown) == active


@given(st.text(st.sampled_from("<&$![]\u2060a"), max_size=12))
def test_text_comes_back_exactly_as_it_went_in(text):
    assert restored(defused(text)) == text


@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_items_come_back_as_they_were_published(kind, text_format):
    text = "<b>5 & 6</b> ![x](y) $7\n"
    item = ReviewItem("<i3>", text, text + "A", "a<b", {}, alternative=text + "B", alternative_model="def")
    found = said_of(item, kind, text_format)
    assert (found.kind, found.item_id, found.model) == (kind, "<i3>", "a<b")
    assert (found.prompt, found.answer) == (text, text + "A")
    if kind in {"preference", "adjudication"}:
        assert (found.alternative, found.alternative_model) == (text + "B", "def")


@pytest.mark.parametrize("text_format", FORMATS)
def test_texts_that_are_empty_or_longer_than_a_message_of_a_chat_come_back_whole(text_format):
    for text in ("", "<" * 45_000):
        found = said_of(ReviewItem("i", text, text, "m", {}), "answers", text_format)
        assert (found.prompt, found.answer) == (text, text)


def test_a_response_is_read_with_its_times_in_utc_and_its_reviewer_under_a_pseudonym():
    found = said_of(ITEM, rating=4, correction="better")
    assert (found.response_id, found.item_id, found.review_set) == ("r1", "i1", "set")
    assert (found.rating, found.correction, found.reviewer) == (4, "better", "reviewer-u1")
    assert found.started_at == "2026-11-01T09:59:00.000000+00:00"
    assert found.submitted_at == "2026-11-01T10:00:00.500000+00:00"


def test_an_untouched_suggestion_is_no_correction_even_where_it_was_copied_from_the_page():
    item = ReviewItem("i", "p", "<b> & 5", "m", {})
    assert said_of(item, rating=5, correction=" <b> & 5\n").correction is None
    assert said_of(item, rating=5, correction=defused("<b> & 5")).correction is None


def test_issues_and_the_flag_come_as_issues_and_dimensions_by_name():
    found = said_of(ITEM, rating=1, issues=["voice"], flag="personal_data", safety=2)
    assert found.issues == ("voice", "flag:personal_data")
    assert found.dimensions == {"safety": 2}


def test_a_preference_comes_back_with_both_answers():
    assert said_of(TWO, "preference", preferred="alternative").preferred == "alternative"
    assert said_of(TWO, "preference", preferred="tie").preferred == "tie"


def test_what_was_said_of_a_row_and_of_a_failure_comes_beside_the_records_own_labels():
    assert said_of(ITEM, "data_sample", fit="mend").labels == {"slice": "billing", "fit": "mend"}
    found = said_of(ITEM, "red_team", failure="yes", severity="critical").labels
    assert found == {"slice": "billing", "failure": "yes", "severity": "critical"}


def test_adjudicators_see_what_reviewers_said_as_text_and_may_find_neither_right():
    labels = {"original": "flat <b>", "reviewer_b": "rated it 5", "reviewer_a": "rated it 1", "slice": "billing"}
    item = ReviewItem("i", "p", "one", "m", {}, alternative="other", labels=labels)
    record = record_of(item, form("adjudication"), "q")
    assert record["fields"]["said"] == "Reviewer A: rated it 1\n\nReviewer B: rated it 5"
    assert record["metadata"] == {"slice": "billing", "model": "m"}
    found = said_of(item, "adjudication", preferred="neither", correction="mine", rating=2)
    assert (found.preferred, found.correction, found.rating) == (None, "mine", 2)
    assert found.labels == {"slice": "billing", "original": "flat <b>", "verdict": "neither"}


def test_drafts_and_discards_come_with_their_status_and_without_values():
    record = record_of(ITEM, form(), "q")
    discarded = RESPONSE | {"status": "discarded", "values": None}
    found = answer_of(record, discarded, dataset_of("set", "w", form()), str)
    assert (found.status, found.rating, found.issues, found.correction) == ("discarded", None, (), None)


def test_sets_of_the_first_version_are_still_read():
    record = {"id": "7", "external_id": "i1", "fields": {"prompt": "p", "answer": "a"}, "metadata": {"model": "m"}}
    values = {"rating": 4, "issues": ["voice"], "correction": "better", "flag": "harmful"}
    response = RESPONSE | {"values": {name: {"value": value} for name, value in values.items()}}
    found = answer_of(record, response, FIRST_VERSION, str)
    assert (found.kind, found.model, found.rating, found.correction) == ("answers", "m", 4, "better")
    assert found.issues == ("voice", "flag:harmful")


def test_a_record_that_was_made_by_hand_has_an_item_id_of_its_own():
    record = {"id": "7", "external_id": None, "fields": {"prompt": "p", "answer": None}, "metadata": None}
    found = answer_of(record, RESPONSE | {"values": {}}, FIRST_VERSION, str)
    assert (found.item_id, found.prompt, found.answer, found.model) == ("argilla-7", "p", "", "")


def test_options_and_questions_that_we_do_not_know_say_nothing():
    found = said_of(TWO, "preference", preferred="added_in_the_page", own_question="x")
    assert (found.preferred, found.labels, found.dimensions) == (None, {}, {})


@pytest.mark.slow
def test_a_server_that_is_not_there_is_reported_with_advice():
    with pytest.raises(ServiceError, match="tuneloop up"):
        ArgillaBackend("http://127.0.0.1:9", "some-key").answers("desk")
