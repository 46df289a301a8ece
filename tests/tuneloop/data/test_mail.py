from __future__ import annotations

import pytest

from tuneloop.data.boilerplate import without_boilerplate
from tuneloop.data.mail import without_mail
from tuneloop.data.text_marks import count_mail_marks


@pytest.mark.parametrize(
    ("mail", "message"),
    [
        ("Late.\n\nOn Tue, 3 Mar 2026 at 09:14, Care wrote:\n> hi\n> there\n\nThanks", "Late.\n\nThanks"),
        ("Late.\n\nOn Tue, 3 Mar 2026 at 09:14,\nCare <c@x.example> wrote:\nold\nmail", "Late."),
        ("Zu spät.\nAm 3. März 2026 schrieb Care:\n> alt", "Zu spät."),
        ("It broke\n-- \nTess\nSome Company", "It broke"),
        ("FW: RE: Order 77 lost", "Order 77 lost"),
        ("> one\n> two\nmy reply", "my reply"),
        ("see below\n---------- Forwarded message ---------\nFrom: A\n\nbody", "see below"),
        ("---------- Forwarded message ---------\nFrom: A\nDate: x\nSubject: lamp\n\nbody", "lamp\n\nbody"),
        ("From: Care\nDate: Monday\nSubject: Re: Lamp\n\nIt broke", "Lamp\n\nIt broke"),
        ("It broke\n\nFrom: Care\nSent: Monday\nTo: me\n\nold mail", "It broke"),
        ("It broke. Sent from my iPhone", "It broke."),
        ("It broke\nSent from my Samsung Galaxy", "It broke"),
        (
            "It broke.\n\nThis e-mail and any attachments are confidential and only for\nX. Delete it.\n\nBye",
            "It broke.\n\nBye",
        ),
    ],
)
def test_of_a_mail_the_message_stays(mail: str, message: str) -> None:
    assert without_mail(mail, is_question=True) == message
    assert count_mail_marks(message) == 0


@pytest.mark.parametrize(
    "text",
    [
        "It's late -- very late",
        "> alone",
        "I wrote: nothing",
        "Regarding: the lamp",
        "the photo was sent from my phone yesterday",
        "This product is intended solely for indoor use",
        "From: Berlin to Paris, what does it cost?",
        "a\n--\n" + "long list\n" * 20,
    ],
)
def test_ordinary_writing_is_left_alone(text: str) -> None:
    assert without_mail(text, is_question=True) == text


@pytest.mark.parametrize("text", ["-- \nTess", "> one\n> two", "This message is confidential and secret."])
def test_a_text_is_never_emptied(text: str) -> None:
    assert without_mail(text, is_question=True) == text


def test_in_an_answer_quoted_lines_are_markdown_but_a_signature_is_none() -> None:
    assert without_mail("> a quote\n> of two\nIndeed.\n-- \nAnna", is_question=False) == "> a quote\n> of two\nIndeed."


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("##- Please type your reply above this line -##\nMy lamp is off.", "My lamp is off."),
        ("It is off. This is an automated message from our shop. Bye", "It is off. Bye"),
        ("Order sent. Please do not reply to this email.", "Order sent."),
        ("News!\nTo unsubscribe, click https://x.example/u?id=3.4 here", "News!"),
        ("Hi\nPlease consider the environment before printing this e-mail", "Hi"),
        ("[EXTERNAL] This email originated from outside the company. Lamp is off", "Lamp is off"),
        ("Fine. ref:_00D20.5002x:ref", "Fine."),
    ],
)
def test_sentences_of_mail_programs_and_ticket_systems_go(text: str, rest: str) -> None:
    assert without_boilerplate(text).strip() == rest


@pytest.mark.parametrize(
    "text",
    [
        "I got a mail saying 'This is an automated message'. What now?",
        "How do I unsubscribe from your newsletter?",
        "Why do you not reply to this email of mine?",
        "Is what I tell you confidential?",
    ],
)
def test_who_asks_about_such_sentences_is_heard(text: str) -> None:
    assert without_boilerplate(text) == text
