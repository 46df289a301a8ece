from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.data.hints import as_arrow
from tuneloop.data.quality import answer_problems, text_problem, text_problems
from tuneloop.data.words import count_words

SENTENCE = "The lamp that I ordered from you two weeks ago has not come and nobody answers. "


def of_texts(texts: list[str]) -> list[str]:
    arrow = as_arrow(texts)
    return text_problems(texts, arrow, count_words(arrow))


def of_answers(answers: list[str]) -> list[str]:
    return answer_problems(answers, [""] * len(answers), as_arrow(answers))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (SENTENCE * 3, "repetition"),
        ("buy now " * 40, "repetition"),
        ("==== **** ////" * 4, "symbols"),
        ("asdfasdf asdf jkl", "gibberish"),
        ("aaaaaaaaaaaaaaaaaa", "gibberish"),
        ("qwertyuiop", "gibberish"),
    ],
)
def test_texts_that_teach_nothing_are_named(text: str, problem: str) -> None:
    assert text_problem(text) == problem


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        SENTENCE * 2,
        "WHERE IS MY PARCEL??? I HAVE WAITED THREE WEEKS!!!",
        "I have a qwerty keyboard and need a qwertz one",
        "Pleeeeeeeeeeeeease help me with my order",
        "\n".join(f"{i} {i * 3 % 7} {i * 5 % 9}" for i in range(40)),
        "0 0 1 0 0 " * 20,
        "```\n+----+----+----+----+----+----+\n|    |    |    |    |\n```\nWhat is this table?",
        "| name | price |\n|------|-------|\n| lamp | 20    |",
        "नमस्ते, मेरा ऑर्डर अभी तक नहीं आया है",
        "🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏🙏",
        "",
    ],
)
def test_what_people_really_write_is_no_problem(text: str) -> None:
    assert text_problem(text) == ""


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("...", "no_words"),
        ("-", "no_words"),
        ("As an AI language model, I cannot have a lamp.", "leftover"),
        ("Your order: [object Object]", "leftover"),
        ("PLEASE RESTART THE MACHINE AND CALL US AGAIN", "shouting"),
        ("Yes.", ""),
        ("4", ""),
        ("👍", ""),
        ("OK", ""),
        ("NASA, UNESCO, WHO", ""),
    ],
)
def test_answers_are_held_to_more(answer: str, problem: str) -> None:
    assert of_answers([answer]) == [problem]


def test_a_problem_of_the_text_comes_before_one_of_the_answer() -> None:
    assert answer_problems(["AAAA AAAA AAAA AAAA AAAA"], ["gibberish"], as_arrow(["x"])) == ["gibberish"]


pieces = st.sampled_from(
    [
        "asdf",
        "jkl",
        "qwert",
        "yuio",
        "hjkl",
        "zxcv",
        "lamp ",
        "the ",
        "a" * 11,
        "É" * 11,
        "=" * 15,
        "\n",
        "|--|",
        "é",
        "\u3000",
    ]
)


texts = st.lists(st.tuples(pieces, st.integers(1, 20)), max_size=5).map(lambda ps: "".join(p * n for p, n in ps))


@settings(max_examples=40)
@given(st.lists(texts, min_size=5, max_size=20))
def test_the_quick_look_at_a_batch_overlooks_nothing(batch: list[str]) -> None:
    assert of_texts(batch) == [text_problem(t) for t in batch]
