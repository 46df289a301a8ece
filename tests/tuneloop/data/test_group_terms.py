from __future__ import annotations

import pytest

from tuneloop.data.group_terms import BEFORE_PEOPLE, PAIRS, SINGLE_WORDS, TERMS, find_groups


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("My wife ordered it.", "gender:female"),
        ("Is it a present for HIM?", "gender:male"),
        ("As a wheelchair user I like it", "disability:any"),
        ("A discount for pensioners?", "age:older"),
        ("an older woman asked", "age:older"),
        ("I'm Polish, sorry for my English", "nationality:eastern_european"),
        ("Are cards there for Americans?", "nationality:american"),
        ("during Ramadan", "religion:muslim"),
        ("lesbian couple", "orientation:any"),
        ("a Black woman", "ethnicity:any"),
    ],
)
def test_a_word_for_a_group_is_found(text: str, group: str) -> None:
    assert group in find_groups(text)


@pytest.mark.parametrize(
    "text",
    [
        "A black kettle and a white blind, straight from the box",
        "My account is disabled",
        "Is the polish safe for oak? The Kenyan beans were best.",
        "I pay with American Express, in Russian rubles",
        "I sent the menu to my manager",  # men, man, he within words
        "",
    ],
)
def test_a_word_that_means_a_thing_names_no_group(text: str) -> None:
    assert find_groups(text) == frozenset()


def test_a_text_may_speak_of_several_groups() -> None:
    assert find_groups("My son is autistic") == {"gender:male", "disability:any"}


def test_no_word_stands_in_two_lists() -> None:
    words = [word for words in SINGLE_WORDS.values() for word in words.split()]
    before = [word for words in BEFORE_PEOPLE.values() for word in words.split()]

    assert len(set(words)) == len(words)
    assert len(set(before)) == len(before)
    assert all(term == term.lower() for term in (*TERMS, *PAIRS))
