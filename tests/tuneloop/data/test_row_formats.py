from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.row_formats import Example, ShapeError, example
from tuneloop.records import Message

ASKED, ANSWERED = Message("user", "Is it late?"), Message("assistant", "No.")
CHAT = [{"role": "user", "content": "Is it late?"}, {"role": "assistant", "content": "No."}]
YES = [{"role": "assistant", "content": "Yes."}]


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"prompt": "Is it late?", "completion": "No."}, {}),
        ({"instruction": "Is it late?", "input": "", "output": "No."}, {}),
        ({"question": "Is it late?", "answer": "No."}, {}),
        ({"q": "Is it late?", "a": "No.", "prompt": "something else"}, {"prompt": "q", "completion": "a"}),
        ({"messages": CHAT}, {}),
        ({"turns": CHAT}, {"messages": "turns"}),
        ({"prompt": CHAT[:1], "completion": CHAT[1:]}, {}),
        ({"prompt": "Is it late?", "completion": "No.", "messages": None, "chosen": None, "rejected": None}, {}),
        ({"prompt": None, "instruction": "Is it late?", "output": "No."}, {}),
        ({"prompt": "Is it late?", "completion": "No.", "chosen": True}, {}),
        ({"prompt": "Is it late?", "completion": "No.", "rejected": False}, {}),
        ({"conversations": [{"from": "human", "value": "Is it late?"}, {"from": "gpt", "value": "No."}]}, {}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "Is it late?"}]}, CHAT[1]]}, {}),
    ],
)
def test_all_shapes_become_the_same_conversation(row: dict[str, Any], columns: dict[str, str]) -> None:
    assert example(row, columns) == Example((ASKED, ANSWERED))


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"prompt": "Is it late?", "chosen": "No.", "rejected": "Yes."}, {}),
        ({"question": "Is it late?", "good": "No.", "bad": "Yes."}, {"chosen": "good", "rejected": "bad"}),
        ({"prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": YES}, {}),
        ({"prompt": "Is it late?", "chosen": CHAT[1:], "rejected": YES}, {}),
        ({"prompt": "Is it late?", "chosen": CHAT[1:], "rejected": "Yes."}, {}),
        ({"chosen": CHAT, "rejected": CHAT[:1] + YES}, {}),
        ({"prompt": "Is it late?", "chosen": CHAT, "rejected": CHAT[:1] + YES}, {}),
        ({"prompt": CHAT[:1], "chosen": CHAT, "rejected": CHAT[:1] + YES}, {}),
        ({"chosen": CHAT, "rejected": CHAT[:1] + YES, "messages": CHAT, "score_chosen": 9}, {}),
    ],
)
def test_all_shapes_of_a_preference_become_the_same_pair(row: dict[str, Any], columns: dict[str, str]) -> None:
    assert example(row, columns) == Example((ASKED, ANSWERED), rejected="Yes.")


def test_a_system_turn_apart_from_the_answers_stands_before_them() -> None:
    system = {"role": "system", "content": "Be brief."}
    found = example({"prompt": [system], "chosen": CHAT, "rejected": CHAT[:1] + YES}, {})

    assert found == Example((Message("system", "Be brief."), ASKED, ANSWERED), rejected="Yes.")


def test_an_input_stands_below_its_instruction() -> None:
    turns = example({"instruction": "Translate.", "input": "Lampe", "output": "lamp"}, {}).messages

    assert turns[0].content == "Translate.\n\nLampe"


def test_a_system_text_comes_first() -> None:
    turns = example({"system": "Be brief.", "prompt": "Hm?", "completion": "Yes."}, {}).messages

    assert [t.role for t in turns] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([1], "wrong_type"),
        ("text", "wrong_type"),
        (None, "wrong_type"),
        ({}, "missing_field"),
        ({"prompt": "x"}, "missing_field"),
        ({"completion": "x"}, "missing_field"),
        ({"prompt": "x", "completion": None}, "missing_field"),
        ({"prompt": 48213, "completion": "x"}, "wrong_type"),
        ({"prompt": {"a": 1}, "completion": "x"}, "wrong_type"),
        ({"prompt": "x", "completion": " \n\t"}, "empty_field"),
        ({"messages": []}, "empty_field"),
        ({"messages": "x"}, "wrong_type"),
        ({"messages": ["x"]}, "wrong_type"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "unknown_role"),
        ({"messages": [{"role": 7, "content": "x"}]}, "unknown_role"),
        ({"messages": CHAT[:1]}, "turn_order"),
        ({"messages": CHAT[::-1]}, "turn_order"),
        ({"messages": [*CHAT, *CHAT[:1]]}, "turn_order"),
        ({"messages": [{"role": "system", "content": "x"}]}, "turn_order"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}, CHAT[1]]}, "wrong_type"),
        ({"prompt": "x", "chosen": "y"}, "missing_field"),
        ({"prompt": "x", "rejected": "y"}, "missing_field"),
        ({"prompt": "x", "chosen": "y", "rejected": None}, "missing_field"),
        ({"prompt": "x", "chosen": None, "rejected": "y"}, "missing_field"),
        ({"chosen": "y", "rejected": "z"}, "missing_field"),
        ({"prompt": "x", "chosen": "y", "rejected": 3}, "wrong_type"),
        ({"prompt": "x", "chosen": b"y", "rejected": "z"}, "wrong_type"),
        ({"prompt": "x", "chosen": "y", "rejected": " y\n"}, "no_preference"),
        ({"chosen": CHAT, "rejected": CHAT}, "no_preference"),
        ({"chosen": CHAT, "rejected": [{"role": "user", "content": "Is it?"}, *YES]}, "different_prompts"),
        ({"chosen": CHAT, "rejected": CHAT + CHAT[:1]}, "turn_order"),
        ({"chosen": CHAT, "rejected": CHAT[:1]}, "turn_order"),
        ({"chosen": [], "rejected": []}, "empty_field"),
    ],
)
def test_what_is_no_training_example_says_why(row: Any, reason: str) -> None:
    with pytest.raises(ShapeError) as caught:
        example(row, {})

    assert caught.value.reason == reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


FIELDS = ["prompt", "completion", "messages", "input", "conversations", "system", "chosen", "rejected"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values))
def test_no_row_can_do_worse_than_be_refused(row: dict[str, Any]) -> None:
    try:
        found = example(row, {})
    except ShapeError:
        return
    assert found.messages[-1].role == "assistant"
