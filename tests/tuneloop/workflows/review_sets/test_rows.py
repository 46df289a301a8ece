"""How a training row stands before a reviewer."""

from __future__ import annotations

from tuneloop.records import Message, Record
from tuneloop.workflows.review_sets.rows import conversation


def row(*turns: tuple[str, str]) -> Record:
    return Record("1", tuple(Message(*turn) for turn in turns), "train", 1)


def test_a_single_question_is_shown_as_it_is() -> None:
    record = row(("system", "Be brief."), ("user", "Where is my lamp?"), ("assistant", "Upstairs."))
    assert conversation(record) == "Where is my lamp?"


def test_of_several_turns_it_is_shown_who_said_what() -> None:
    record = row(("user", "My lamp?"), ("assistant", "Which one?"), ("user", "The blue."), ("assistant", "Upstairs."))
    assert conversation(record) == "User: My lamp?\n\nAssistant: Which one?\n\nUser: The blue."
