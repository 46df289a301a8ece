from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.masking import shown


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("write to jo.reed@example.org please", "write to <email> please"),
        ("my name is jane doe and the lamp is dark", "my name is <person> and the lamp is dark"),
        ("The lamp broke. When will Zadie Quill call?", "The lamp broke. When will ▒▒▒▒▒ ▒▒▒▒▒ call?"),
        ("Okonkwo said no", "▒▒▒▒▒▒▒ said no"),
        ("room 12, case 90210", "room 12, case #####"),
        ("order MG-48213 by USER_77x", "order ▒▒-▒▒▒▒▒ by ▒▒▒▒▒▒▒▒"),
        ("see me at u/harbourmaster.io now", "see me at ▒▒▒▒▒▒▒▒ now"),
        ("I'm told it's fine", "I'm told it's fine"),
        ("李小龙 called", "▒▒▒ called"),
        ("two\nlines\u200band\x07more", "two⏎lines\\u200band\\u0007more"),
        ("kept <person-3f9a2c41> here", "kept <person-3f9a2c41> here"),
    ],
)
def test_what_could_be_somebody_is_not_shown(text: str, safe: str) -> None:
    assert shown(text) == safe


def test_a_long_text_is_cut_with_an_ellipsis() -> None:
    assert shown("word " * 100, characters=20) == "word word word word…"


def test_a_number_at_the_edge_is_not_shown_half() -> None:
    assert "1111" not in shown("pay with 4111 1111 1111 1111 now", characters=16)


@given(st.text(max_size=300), st.integers(10, 100))
def test_no_run_of_digits_and_no_hidden_character_is_ever_shown(text: str, characters: int) -> None:
    seen = shown(text, characters=characters)

    assert len(seen) <= characters
    assert seen.isprintable()


@given(st.integers(100, 10**12), st.sampled_from(["id {}", "x{}", "{}th of", "no. {}.", "a-{}-b"]))
def test_numbers_are_blocked_out(number: int, around: str) -> None:
    assert str(number) not in shown(around.format(number))
