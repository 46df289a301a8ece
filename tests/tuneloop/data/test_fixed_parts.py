from __future__ import annotations

import time

import pytest

from tuneloop.data.fixed_parts import fixed_spans, keeps_fixed_parts


@pytest.mark.parametrize(
    "part",
    [
        "MG-59964",
        "£1,310.50",
        "<email-3f9a2c>",
        "[ORDER]",
        "https://example.com/a?b=c",
        "someone@example.com",
        '"never again"',
        "'Stock shortage'",
        "`rm -rf build`",
        '{"a": {"b": [1, 2]}}',
        "```\nx = y\n```",
    ],
)
def test_what_must_stay_is_found_as_a_whole(part: str) -> None:
    text = f"Please look at {part} today"
    start = text.index(part)

    assert any(s <= start and end >= start + len(part) for s, end in fixed_spans(text))


def test_plain_words_are_free() -> None:
    assert fixed_spans("It's the neighbours' kettle, isn't it?") == []


@pytest.mark.parametrize(
    ("old", "new", "keeps"),
    [
        ("Send MG-1. It cost 5 pounds.", "It cost 5 pounds, please send MG-1", True),
        ("It cost 5 pounds", "It cost 15 pounds", False),
        ("It cost 5 pounds", "It was expensive", False),
        ("It was expensive", "It cost 5 pounds", False),
        ("Write to <person-3f9a2c>", "Please write <person-3f9a2c> a letter", True),
        ("Write to <person-3f9a2c>", "Please write <person-000000> a letter", False),
        ("It says 'payment pending'", "I read Payment pending there", True),
        ("It says 'payment pending'", "I read that it is waiting", False),
        ("Write to me", "Write to me: a@example.com", False),
    ],
)
def test_numbers_placeholders_and_quotations_must_be_the_same_after_rewriting(old: str, new: str, keeps: bool) -> None:  # noqa: FBT001
    assert keeps_fixed_parts(old, new) is keeps


@pytest.mark.parametrize("piece", ["a", "{", "<a", "'b ", '"', "@", "[", "1"])
def test_time_does_not_explode_on_long_strange_texts(piece: str) -> None:
    started = time.process_time()
    fixed_spans(piece * 20_000)

    assert time.process_time() - started < 1
