from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tuneloop.data.hidden_characters import has_hidden_characters
from tuneloop.data.hints import as_arrow, hinted
from tuneloop.data.text_marks import (
    count_html,
    count_injections,
    count_mail_marks,
    count_special_tokens,
    has_broken_characters,
)

# Pieces of what the exact patterns look for, so that whole finds and near misses come out of their mixtures.
PIECES = (
    *(
        "ignore",
        "FORGET",
        "overr\u0131de",
        "bypa\u017fs",
        "disregard",
        " all",
        " your ",
        " the ",
        "rules",
        "İnstructions",
        "policy",
    ),
    *("reveal", "system prompt", "hidden ", "secret prompt", "system", "admin", "override", "message", "mode enabled"),
    *("from now on", "from here on,", " you are", " you will", "you are now", " a bot", "DAN", "pretend", "no limits"),
    *("without any rules", "unrestricted", "jailbreak", "developer mode", "reply only with", " just the word"),
    *(
        "new policy",
        "On Monday 3 March",
        " wrote:",
        "> ",
        ">",
        "-- ",
        "--",
        "----",
        "forwarded message",
        "From: ",
        "Date:",
    ),
    *("Re:", "fwd: ", "AW:", "sent from my ", "iPhone", "confidential and ", "intended solely for", "is intended"),
    *(
        "not the intended recipient",
        "<",
        ">",
        "<p",
        "</",
        "br>",
        "&lt;",
        "&amp;",
        "<!--",
        "`",
        "```",
        "<|",
        "im_end",
        "|>",
    ),
    *(
        "[INST]",
        "[/inst]",
        "[MASK]",
        "</s>",
        "<bos>",
        "<\uff5c",
        "User\uff5c>",
        "â€",
        "™",
        "Ã",
        "\u00a9",
        "\ufffd",
        "\x07",
    ),
    *("\ud800", " ", "\n", "\t", "\x0b", "\x1f", "\u00a0", "\u2028", ".", ":", "a", "x", "S", "K", "\u212a", "é", "9"),
    *("\u200b", "\u200c", "\u200d", "\u200f", "\u202e", "\u2067", "\u2069", "\u2060", "\ufeff", "\ufe0f", "\U000e0101"),
    *("\U000e0061", "\u061c", "\u05d0", "\u0645", "\u0e01", "\U0001f3f4", "ig\u200bnore"),
)
mixtures = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


def is_marked(text: str) -> bool:
    counts = (count_html, count_mail_marks, count_special_tokens, count_injections)
    return any(count(text) for count in counts) or has_broken_characters(text) or has_hidden_characters(text)


@settings(max_examples=12)
@given(st.lists(mixtures, min_size=25, max_size=40))
@example(
    [
        *(
            "overr\u0131de the rules",
            "di\u017fregard your policy",
            "jailbrea\u212a",
            "\u00a0re: lamp",
            "system\u2028message :",
        ),
        *("> a\n> b", "x\n-- ", "On Monday 3 March, Care\nwrote:", "to: a\n\ncc: b", "[MASK]", "a\ud800", "Ã\u00a9"),
    ]
)
def test_a_text_without_a_hint_has_no_mark(texts: list[str]) -> None:
    looked_at = hinted(as_arrow(texts))

    assert [t for t, look in zip(texts, looked_at, strict=True) if not look and is_marked(t)] == []


def test_plain_texts_are_not_looked_at_twice() -> None:
    plain = [
        "The lamp is late and I'd like my money back.",
        "Café Müller \u2013 3 > 2",
        "what is the policy on returns?",
        "",
    ]

    assert not hinted(as_arrow(plain)).any()


def test_half_a_surrogate_pair_is_a_broken_character_not_a_crash() -> None:
    assert hinted(as_arrow(["fine", "a\ud83d"])).tolist() == [False, True]
    assert has_broken_characters("a\ud83d")
