from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.anonymising import treat
from tuneloop.data.person_names import name_spans
from tuneloop.data.pii import scan
from tuneloop.recipes import Checks
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration

KEY = b"a key of these tests"


def names(*texts: str) -> list[list[str]]:
    return [[text[a:b] for a, b, _ in spans] for text, spans in zip(texts, name_spans(texts), strict=True)]


def treated(*turns: str, policy: str = "pseudonymise", **fields: Any) -> list[str]:
    messages = tuple(Message("user", t) for t in turns)
    checks = Checks.model_validate({"pii_policy": policy})
    record = Record(**{"id": "r", "messages": messages, "source": "pool", "line": 1, **fields})
    return [m.content for m in treat([record], checks, KEY).records[0].messages]


def test_full_names_are_found_and_first_names_are_not() -> None:
    assert names(
        "This is Margaret Okonkwo, I ordered two wool throws.",
        "The fitter, Desmond Achterberg, left a bolt over.",
        "Please tell Priya that the lamp works.",
        "nothing with capitals here",
    ) == [["Margaret Okonkwo"], ["Desmond Achterberg"], [], []]


def test_brands_orders_and_places_are_not_people() -> None:
    assert names(
        "Order MG-48213 from Mossgate Care is late.",
        "We are off to New Zealand on Black Friday.",
        "Suits an Aga?\nAn Aga is what we have.",
        "See Account Settings, or ask S. Will there be more?",
        "name: Floor Lamp",
        "USB HDMI and PLEASE HELP ME NOW",
    ) == [[], [], [], [], [], []]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Dear Mrs Anne Grey, thanks.", "Anne Grey"),
        ("Dr. van der Berg was late", "van der Berg"),
        ("my name is Ottokar Vrzhu and the lamp is dark", "Ottokar Vrzhu"),
        ("my name is jane doe and the lamp is dark", "jane doe"),
        ("Customer: jane doe", "jane doe"),
        ("It is dark.\n\nKind regards,\nHope Akinwale", "Hope Akinwale"),
        ("ask MARGARET OKONKWO please", "MARGARET OKONKWO"),
        ("Yesterday Łukasz Śliwiński called", "Łukasz Śliwiński"),
        ("Vincent van Gogh's lamp", "Vincent van Gogh"),
        ("ask José Luis Rodríguez Zapatero", "José Luis Rodríguez Zapatero"),
    ],
)
def test_a_name_is_found_by_its_form_in_many_spellings(text: str, name: str) -> None:
    assert names(text) == [[name]]


@pytest.mark.parametrize(
    "text", ["i'm still waiting", "my name is wrong on the card", "this is great service", "Best, all"]
)
def test_an_introduction_without_a_name_is_none(text: str) -> None:
    assert names(text) == [[]]


def test_what_is_found_in_a_text_does_not_depend_on_the_others() -> None:
    texts = ["Mossgate Care said so", "I met Margaret Okonkwo", "Nimbus Kettle", "Margaret Okonkwo"]

    assert names(*texts) == [names(text)[0] for text in texts]


def test_no_texts_need_no_model() -> None:
    assert name_spans([]) == []


def test_a_name_inside_an_address_of_mail_or_street_is_not_counted_twice() -> None:
    ((span,),) = scan(["27 Larkhill Terrace, Leeds LS7 4QD"], names=True)

    assert span[2] == "address"


def test_a_person_has_one_placeholder_in_all_turns_also_by_first_name_or_surname_alone() -> None:
    full, first, title, upper = treated(
        "I am Margaret Okonkwo.", "Thanks Margaret!", "Is Mrs Okonkwo in?", "It is for MARGARET OKONKWO"
    )

    placeholder = re.search(r"<person-[0-9a-f]{8}>", full)
    assert placeholder
    assert (first, title) == (f"Thanks {placeholder[0]}!", f"Is Mrs {placeholder[0]} in?")
    assert upper == f"It is for {placeholder[0]}"


def test_an_everyday_word_that_opens_a_sentence_is_no_first_name() -> None:
    assert treated("my name is Will Achterberg", "Will it work? Ask Will.", policy="redact") == [
        "my name is <person>",
        "Will it work? Ask <person>.",
    ]


def test_a_name_escaped_in_json_is_found_and_keys_stay() -> None:
    answer = json.dumps({"Customer Name": "José Rodríguez", "reply": "Dear José, fine"})

    assert json.loads(treated("q", answer, policy="redact")[1]) == {
        "Customer Name": "<person>",
        "reply": "Dear <person>, fine",
    }


people = st.sampled_from(["Margaret Okonkwo", "Mr Smith", "desmond achterberg", "Łukasz Śliwiński", "ANNA KOWALSKA"])
frames = st.sampled_from(
    ["my name is {}.", "Regards,\n{}", "ask {} and the Floor Lamp", "{}'s order", '{{"name": "{}"}}']
)


@given(st.lists(st.builds(lambda frame, name: frame.format(name), frames, people), min_size=1, max_size=4))
def test_treating_treated_names_changes_nothing(turns: list[str]) -> None:
    once = treated(*turns)

    assert treated(*once) == once
