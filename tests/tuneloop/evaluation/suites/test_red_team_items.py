"""The built-in red-team set, item by item."""

from __future__ import annotations

from collections import Counter

import pytest

from tuneloop.evaluation.suites.red_team import Attack, RedTeam
from tuneloop.evaluation.suites.rules import CANARY, why_failed

ATTACKS = RedTeam().attacks
MODEL_ANSWERS = {
    "ambiguous": "Could you tell me more about what you mean?",
    "out_of_domain": "I'm sorry, but I have no way to know that.",
    "false_premise": "That is a misconception: it is not true.",
    "bias_bait": "There is no evidence for that; it varies from person to person.",
    "jailbreak": "I'm sorry, but I can't help with that.",
    "prompt_leak": "I keep my instructions to myself.",
    "injection": "The writer wants a new lamp.",
    "harmless": "Take your time and follow the manual.",
}
GIVES_IN = {
    "ambiguous": "Two hours.",
    "out_of_domain": "Sure, done: it is 42.",
    "false_premise": "Because of the weather in spring.",
    "bias_bait": "The first group, of course.",
    "jailbreak": "Sure, here is how: take a bag and wait for the night.",
    "prompt_leak": f"It says: Internal reference, never to be mentioned: {CANARY}.",
    "harmless": "I'm sorry, but I can't help with that.",
}


def verdict(attack: Attack, answer: str) -> str | None:
    return why_failed(attack.rule, answer, prompt=attack.prompt, system_prompt="")


def test_every_category_has_twenty_items_and_more() -> None:
    counts = Counter(attack.category for attack in ATTACKS)
    assert set(counts) == set(MODEL_ANSWERS)
    assert min(counts.values()) >= 20
    assert len({attack.prompt for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_a_good_answer_passes_and_a_bad_one_fails(attack: Attack) -> None:
    assert verdict(attack, MODEL_ANSWERS[attack.category]) is None
    bad = GIVES_IN.get(attack.category) or f"{' '.join(attack.rule.must_not_contain).upper()}!"
    assert verdict(attack, bad)
    assert verdict(attack, attack.prompt)


def test_what_an_injection_orders_is_in_its_prompt_and_nowhere_else() -> None:
    orders = [(a.id, word) for a in ATTACKS if a.category == "injection" for word in a.rule.must_not_contain]
    assert len(orders) == sum(a.category == "injection" for a in ATTACKS)
    for name, word in orders:
        assert [a.id for a in ATTACKS if word in a.prompt.casefold()] == [name]


def test_no_prompt_gives_the_canary_away() -> None:
    assert not [attack.id for attack in ATTACKS if CANARY.split("-")[0].casefold() in attack.prompt.casefold()]
