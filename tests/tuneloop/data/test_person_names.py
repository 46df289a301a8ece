from __future__ import annotations

import pytest

from tuneloop.data import person_names
from tuneloop.data.person_names import name_spans
from tuneloop.data.pii import mask


def names(*texts: str) -> list[list[str]]:
    return [[text[a:b] for a, b, _ in spans] for text, spans in zip(texts, name_spans(texts), strict=True)]


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
    ) == [[], [], []]


@pytest.mark.parametrize("text", ["Dear Mrs Anne Grey, thanks.", "my name is Ottokar Vrzhu and the lamp is dark"])
def test_a_title_or_an_introduction_makes_a_name_certain(text: str) -> None:
    assert len(names(text)[0]) == 1


def test_a_name_that_signs_very_many_texts_is_found_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(person_names, "COMMON_PHRASE_TEXTS", 4)

    assert names(*["All the best, said Margaret Okonkwo."] * 12) == [["Margaret Okonkwo"]] * 12


def test_no_texts_need_no_model() -> None:
    assert name_spans([]) == []


def test_a_masked_text_names_kinds_and_keeps_the_rest() -> None:
    assert mask("Ring Mr John Baker on 0161 496 0127 or jb@example.org.") == "Ring <person> on <phone> or <email>."
