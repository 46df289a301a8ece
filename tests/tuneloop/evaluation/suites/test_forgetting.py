from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tuneloop.evaluation.suites.forgetting import Forgetting, Probe, why_wrong

BUILT_IN = Forgetting().probes


def probe(**fields: Any) -> Probe:
    line = {"id": "p", "category": "arithmetic", "prompt": "How many?", "text": "There are five of them."}
    return Probe.model_validate_json(json.dumps(line | fields))


@pytest.mark.parametrize(
    ("accept", "answer", "is_right"),
    [
        ("twelve", "It is Twelve.", True),
        ("12", "12", True),
        ("12", "The year 1812", False),
        ("5", "0.5", False),
        ("0.5", "10.5", False),
        ("12", "12.", True),
        ("12", "12.5", False),
        ("12", "-12", False),
        ("12", "a base-12 system", False),
        ("art", "a party", False),
        ("tea, tea", "Tea,\n tea", True),
        ("Zürich", "in ZÜRICH!", True),
        ("don't", "I don\u2019t", True),
    ],
)
def test_an_accepted_answer_is_found_as_whole_words(accept: str, answer: str, is_right: bool) -> None:  # noqa: FBT001
    assert (why_wrong(probe(accept=[accept]), answer) is None) is is_right


def test_a_right_answer_in_the_wrong_form_is_wrong() -> None:
    asked = probe(accept=["Madrid"], form={"words": 1, "lower_case": True})
    assert why_wrong(asked, "madrid") is None
    assert why_wrong(asked, "Madrid") == "is not in lower case"
    assert why_wrong(asked, "paris") == "holds none of the accepted answers"


def test_a_probe_that_cannot_be_judged_is_refused() -> None:
    with pytest.raises(ValidationError, match="accept"):
        probe()
    with pytest.raises(ValidationError, match="empty accepted answer"):
        probe(accept=[" "])


def test_the_built_in_set_covers_six_skills_evenly() -> None:
    counts = {skill: sum(p.category == skill for p in BUILT_IN) for skill in {p.category for p in BUILT_IN}}
    assert len(BUILT_IN) >= 160
    assert set(counts) == {"arithmetic", "knowledge", "format", "language", "common_sense", "instruction"}
    assert min(counts.values()) >= 24


@pytest.mark.parametrize("item", BUILT_IN, ids=lambda item: item.id)
def test_an_echo_of_the_question_is_no_answer_and_an_accepted_one_is(item: Probe) -> None:
    assert why_wrong(item, item.prompt)
    assert why_wrong(item, "")
    if item.form is None:
        assert not [answer for answer in item.accept if why_wrong(item, f"The answer is {answer}.")]


def test_questions_and_sentences_of_the_built_in_set_are_all_different() -> None:
    assert len({p.prompt for p in BUILT_IN}) == len({p.text for p in BUILT_IN}) == len(BUILT_IN)
