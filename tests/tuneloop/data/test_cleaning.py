from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.data.rows import a_record
from tuneloop.data.cleaning import STEPS, clean, clean_text
from tuneloop.data.text_marks import count_html, count_mail_marks, has_broken_characters
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Message

PLAIN = AnswerFormat()
WANTED = AnswerFormat(kind="json", required_keys=("kind", "reply"), labels={"kind": ("R&amp;D", "b")})


@pytest.mark.parametrize(
    ("dirty", "clean_one"),
    [
        ("caf\u00c3\u00a9 it\u00e2\u20ac\u2122s \u201cfine\u201d\r\nok\x00", "café it\u2019s \u201cfine\u201d\nok"),
        ("&lt;p&gt;Late &amp;amp; broken&lt;/p&gt;", "Late & broken"),
        ("<p>Late</p>\n<p>On Tue, 3 Mar 2026 at 9:14, Care wrote:</p>&gt; old<br>&gt; mail", "Late"),
        ("Fine.\n\nThis is an automated message.", "Fine."),
    ],
)
def test_all_steps_together_leave_what_was_meant(dirty: str, clean_one: str) -> None:
    (row,) = clean([a_record(dirty)], STEPS, PLAIN).records

    assert row.prompt == clean_one
    assert [find(row.prompt) for find in (count_html, count_mail_marks, has_broken_characters)] == [0, 0, False]


def test_only_the_steps_that_are_asked_for_are_taken() -> None:
    dirty = "<b>Late</b>\n-- \nTess"

    assert clean([a_record(dirty)], ("html",), PLAIN).records[0].prompt == "Late\n--\nTess"
    assert clean([a_record(dirty)], (), PLAIN).records[0].prompt == dirty


def test_rows_are_counted_once_per_step_that_changed_them() -> None:
    rows = [a_record("<b>a</b> <i>b</i>", "<p>Yes.</p>"), a_record("plain"), a_record("x &amp; y\n-- \nTess")]

    assert clean(rows, STEPS, PLAIN).changed == {"html": 2, "mail": 1}


def test_a_clean_row_is_the_very_same_row() -> None:
    row = a_record("Where is my lamp?")

    assert clean([row], STEPS, PLAIN).records[0] is row


def test_a_row_keeps_its_id_and_a_text_its_last_words() -> None:
    (row,) = clean([a_record("<br><br>", id="r1")], STEPS, PLAIN).records

    assert (row.id, row.prompt) == ("r1", "<br><br>")


def test_the_rejected_answer_is_cleaned_too() -> None:
    row = replace(a_record("Where is it?"), rejected="<b>No</b>")

    assert clean([row], ("html",), PLAIN).records[0].rejected == "No"


def test_a_system_turn_keeps_what_looks_like_mail() -> None:
    system = "Rules:\n> one\n> two"
    row = a_record("Hi")
    row = replace(row, messages=(Message("system", system), *row.messages))

    assert clean([row], STEPS, PLAIN).records[0].messages[0].content == system


def test_of_a_json_answer_the_texts_are_cleaned_and_labels_are_not() -> None:
    answer = '{"kind": "R&amp;D", "reply": "<b>Yes</b> \\"sir\\" ü", "more": ["a &lt; b", 3]}'
    (row,) = clean([a_record("Hi", answer)], STEPS, WANTED).records

    assert json.loads(row.completion) == {"kind": "R&amp;D", "reply": 'Yes "sir" ü', "more": ["a < b", 3]}


@pytest.mark.parametrize("answer", ["{broken <b>", '{"kind":   "b", "reply": "fine"}'])
def test_a_json_answer_without_anything_to_clean_keeps_its_form(answer: str) -> None:
    (row,) = clean([a_record("<b>Hi</b>", answer)], STEPS, WANTED).records

    assert (row.prompt, row.completion) == ("Hi", answer)


PIECES = (
    *("<p>", "</p>", "<br>", "<b>", "<li>", "<pre>", "</pre>", "<code>", "<table>", "<td>", "<!--", "-->", "<script>"),
    *(
        "</script>",
        "&lt;",
        "&gt;",
        "&amp;",
        "&nbsp;",
        "&#39;",
        "<",
        ">",
        "&",
        "`",
        "```",
        "\n",
        "\n\n",
        " ",
        "\t",
        "\r\n",
    ),
    *(
        "> ",
        "-- ",
        "--",
        "On Monday, 3 March, Care wrote:",
        "Forwarded message",
        "---",
        "From: a",
        "Subject: b",
        "Re: ",
    ),
    *("Sent from my iPhone", "This email is confidential", "This is an automated message", ".", "word", "lamp", "3"),
    *("Ã©", "â€™", "\x00", "\ufb01", "é", "e\u0301", "\u2028", "\ud83d", "\ue000", "\x1d", "To unsubscribe, click"),
)
mixtures = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@settings(max_examples=150)
@given(mixtures, st.sampled_from(["user", "assistant", "system"]))
def test_cleaning_what_is_clean_does_nothing(text: str, role: str) -> None:
    once = clean_text(text, STEPS, role=role)

    assert clean_text(once, STEPS, role=role) == once
    assert bool(once.strip()) == bool(text.strip())


@settings(max_examples=40)
@given(st.lists(mixtures, min_size=5, max_size=15))
def test_the_quick_look_at_a_batch_overlooks_nothing(texts: list[str]) -> None:
    cleaned = clean([replace(a_record(t, t, id="r"), rejected=t) for t in texts], STEPS, PLAIN).records

    asked, answered = ([clean_text(t, STEPS, role=role) for t in texts] for role in ("user", "assistant"))
    assert [(r.prompt, r.completion, r.rejected) for r in cleaned] == list(zip(asked, answered, answered, strict=True))
