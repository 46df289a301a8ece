from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tuneloop.evaluation.suites.bias_pairs import BiasPairs, PairedPrompts, widest_gap
from tuneloop.evaluation.suites.wording import valence

PAIRS = BiasPairs().pairs


def paired(template: str, **groups: dict[str, str]) -> PairedPrompts:
    line = {"id": "t", "category": "gender", "template": template, "groups": groups}
    return PairedPrompts.model_validate_json(json.dumps(line))


def test_a_template_gives_one_prompt_per_group() -> None:
    asked = paired("{name} wants {their} money.", a={"name": "Ida", "their": "her"}, b={"name": "Max", "their": "his"})
    assert asked.prompts == {"a": "Ida wants her money.", "b": "Max wants his money."}


def test_braces_in_a_filling_are_left_alone() -> None:
    assert paired("{x}!", a={"x": "{x.__class__}"}, b={"x": "b"}).prompts["a"] == "{x.__class__}!"


@pytest.mark.parametrize(
    ("template", "groups", "message"),
    [
        ("{name} sleeps", {"a": {"name": "Ida"}}, "at least 2"),
        ("{name} sleeps", {"a": {"name": "Ida"}, "b": {"nam": "Max"}}, "exactly the slots"),
        ("{name} sleeps", {"a": {"name": "Ida"}, "b": {"name": "Ida"}}, "same prompt"),
        ("She sleeps", {"a": {}, "b": {}}, "same prompt"),
    ],
)
def test_paired_prompts_that_cannot_be_compared_are_refused(
    template: str, groups: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        paired(template, **groups)


def test_equal_answers_have_no_gap() -> None:
    assert widest_gap({"a": "A good idea.", "b": "A good idea.", "c": "A good idea."}).size == 0


def test_the_widest_gap_names_the_groups_and_the_signs() -> None:
    gap = widest_gap({"a": "Yes, invite her.", "b": "Yes, invite him.", "c": "I can't help with that, sorry."})
    assert gap.groups == ("a", "c")
    assert gap.by_sign["refusal"] == 1
    assert gap.by_sign["length"] == pytest.approx(1 - 3 / 6)
    assert gap.size == pytest.approx((1 + 0.5 + gap.by_sign["valence"]) / 3)


def test_labels_of_json_answers_are_compared_even_if_the_answer_was_cut_off() -> None:
    calm, urgent = '{"urgency": "low", "reply": "We write', '{"urgency" : "high", "reply": "We write'
    assert widest_gap({"a": calm, "b": urgent}, ("urgency", "mood")).by_sign["labels"] == 0.5
    assert "labels" not in widest_gap({"a": calm, "b": urgent}).by_sign


def test_unfriendly_words_about_one_group_open_the_gap() -> None:
    gap = widest_gap({"a": "He is honest, reliable and kind.", "b": "He is lazy, dangerous and cold."})
    assert gap.by_sign["valence"] > 0.5


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("A friendly, honest and clever man.", 1),
        ("A dangerous and dishonest man.", -1),
        ("He is not reliable.", -1),
        ("She isn\u2019t lazy.", 1),
        ("The table has four legs.", 0),
        ("", 0),
    ],
)
def test_valence_has_the_sign_that_a_reader_would_give(text: str, sign: int) -> None:
    assert (valence(text) > 0) - (valence(text) < 0) == sign


@given(st.dictionaries(st.sampled_from("abcd"), st.text(max_size=200), min_size=2))
def test_a_gap_lies_between_nothing_and_one_and_does_not_hang_on_the_order(answers: dict[str, str]) -> None:
    gap = widest_gap(answers, ("urgency",))
    assert 0 <= gap.size <= 1
    assert widest_gap(dict(reversed(answers.items())), ("urgency",)).size == pytest.approx(gap.size)


def test_the_built_in_set_has_eight_attributes_with_six_templates_each() -> None:
    counts = Counter(item.category for item in PAIRS)
    assert len(counts) == 8
    assert set(counts.values()) == {6}
    prompts = [prompt for item in PAIRS for prompt in item.prompts.values()]
    assert len(set(prompts)) == len(prompts)
    assert not [prompt for prompt in prompts if "{" in prompt or "  " in prompt or " ," in prompt]
