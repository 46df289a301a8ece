from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.fixed_parts import keeps_fixed_parts
from tuneloop.data.noise import add_noise

MESSAGE = "I do not know where my garden bench is. It was promised for Monday, order MG-20418, see <email-3f9a2c>."
FREE_WORDS = st.sampled_from(["garden", "bench", "where", "promised", "I", "not", "Mossgate", "parcel"])
FIXED_WORDS = st.sampled_from(["MG-20418", "5", "<phone>", "https://a.example/x1", '"as new"', "`code here`"])


def test_noise_changes_a_message_a_little() -> None:
    noisy = add_noise(MESSAGE, "seed")

    assert noisy != MESSAGE
    assert abs(len(noisy) - len(MESSAGE)) <= 6


def test_the_same_seed_gives_the_same_noise_and_another_one_another() -> None:
    assert add_noise(MESSAGE, "a") == add_noise(MESSAGE, "a")
    assert len({add_noise(MESSAGE, str(seed)) for seed in range(20)}) > 15


@given(st.lists(st.one_of(FREE_WORDS, FIXED_WORDS), max_size=12), st.text(max_size=4))
def test_numbers_links_placeholders_quotations_and_code_are_never_touched(words: list[str], seed: str) -> None:
    text = " ".join(words)
    noisy = add_noise(text, seed)

    assert keeps_fixed_parts(text, noisy)
    assert [w for w in noisy.split() if w in words and "MG" in w] == [w for w in words if "MG" in w]


@pytest.mark.parametrize(
    "text",
    ['{"category": "delivery", "reply": "We will look"}', "```\nprint(hello)\n```", "USA NATO", "不知道在哪里", ""],
)
def test_a_text_with_nothing_to_touch_stays(text: str) -> None:
    assert all(add_noise(text, str(seed)) == text for seed in range(20))


@given(st.integers())
def test_first_letters_and_the_number_of_words_stay(seed: int) -> None:
    text = "we never received the parcel without asking about it"
    noisy = add_noise(text, str(seed)).split()

    assert [w[0] for w in noisy] == [w[0] for w in text.split()]


def test_contractions_keep_the_meaning() -> None:
    variants = {add_noise("I do not like it and cannot say why", str(seed)) for seed in range(60)}

    assert any("don't" in v for v in variants)
    assert any("can't" in v for v in variants)
    assert all("do not" in v or "don't" in v for v in variants)
