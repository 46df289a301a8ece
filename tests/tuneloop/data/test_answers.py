from __future__ import annotations

import json
from typing import Any

import pytest

from tuneloop.data.answers import answer_labels, answer_problem, read_answer
from tuneloop.recipes import AnswerFormat

WANTED = AnswerFormat(kind="json", required_keys=("kind", "reply"), labels={"kind": ("a", "b")})


def test_a_right_answer_has_no_problem() -> None:
    assert answer_problem('{"kind": "a", "reply": "x"}', WANTED) == ""
    assert answer_problem("anything", AnswerFormat()) == ""


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("plain words", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ({"kind": "a"}, "key reply is missing"),
        ({"kind": "private thing", "reply": "x"}, "label of kind is not allowed"),
        ({"kind": "a", "reply": ["x"]}, "key reply is not a plain value"),
        ({"kind": "a", "reply": " "}, "key reply is not a plain value"),
        ({"kind": None, "reply": "x"}, "key kind is not a plain value"),
    ],
)
def test_a_wrong_answer_says_what_is_wrong_without_quoting_it(answer: Any, problem: str) -> None:
    assert answer_problem(answer if isinstance(answer, str) else json.dumps(answer), WANTED) == problem


def test_labels_and_words_of_an_answer_are_told_apart() -> None:
    answer = '{"reply": "Hello", "kind": "a"}'

    assert answer_labels(answer, WANTED) == answer_labels('{"kind": "a", "reply": "Bye"}', WANTED)
    assert read_answer(answer, WANTED) == ("", "Hello")
    assert read_answer("plain", WANTED)[1] == "plain"
    assert answer_labels("plain", WANTED) is None


@pytest.mark.parametrize("answer", ['{"reply": "Hello", "kind": "c"}', "plain", "[1]", '{"reply": "x"}'])
def test_an_answer_that_is_read_whole_has_the_problem_that_is_told_alone(answer: str) -> None:
    for wanted in (WANTED, AnswerFormat()):
        assert read_answer(answer, wanted)[0] == answer_problem(answer, wanted)
