from __future__ import annotations

import pytest

from tuneloop.data.hints import as_arrow
from tuneloop.data.languages import detect_languages, first_not_allowed
from tuneloop.data.text_marks import detect_language
from tuneloop.data.words import count_words

NOT_ENGLISH = (
    "Ich habe die Lampe vor drei Wochen bestellt und sie ist immer noch nicht da.",
    "Het is in de winkel of we me niet willen helpen, en dat was over de hele maand zo.",
    "Ek het my lamp in die winkel gekoop en dit is nog nie hier nie, so wat nou?",
    "Jag beställde lampan för tre veckor sedan och den har inte kommit fram till mig.",
    "Jeg har ikke fått lampen min, og den er under garanti for alt jeg vet.",
    "Le livreur a dit que le colis est on the way, mais je ne vois rien depuis lundi matin.",
    "Die Mail sagt, your order is on the way, aber bei mir ist seit Wochen nichts angekommen.",
    "De mail zegt dat the order and the parcel onderweg zijn, maar ik heb nog niets gezien van jullie.",
)
ENGLISH = (
    "What do I do if the lamp that you sent me doesn\u2019t work \u2013 can I have my money back?",
    "Why has my card not been delivered? It's been two weeks now and I need it.",
    "LOUD: WHERE IS MY PARCEL AND WHY DO YOU NOT ANSWER THE PHONE",
)


def detect(texts: list[str], allowed: tuple[str, ...] = ("en",)) -> list[str]:
    return detect_languages(texts, count_words(as_arrow(texts)), allowed)


def test_other_languages_are_never_taken_for_english_even_with_english_in_them() -> None:
    assert detect(list(NOT_ENGLISH)) == [detect_language(t) for t in NOT_ENGLISH]
    assert "en" not in detect(list(NOT_ENGLISH))


def test_plain_english_is_seen_as_the_model_sees_it() -> None:
    assert detect(list(ENGLISH)) == ["en"] * 3


def test_english_words_in_a_text_of_another_script_do_not_make_it_english() -> None:
    assert detect(["the order and you and what: посылка так и не пришла, прошло уже три недели"]) != ["en"]


def test_a_few_letters_are_no_language() -> None:
    assert detect(["the you and", "", "12 34 56"]) == ["und"] * 3


@pytest.mark.parametrize("allowed", [("de",), ("sv", "de")])
def test_where_english_is_not_allowed_the_model_reads_every_text(allowed: tuple[str, ...]) -> None:
    texts = [*ENGLISH, *NOT_ENGLISH]

    assert detect(texts, allowed) == [detect_language(t) for t in texts]


def test_of_two_answers_the_language_that_is_not_allowed_is_named() -> None:
    assert first_not_allowed(["en", "de", "und", "en"], ["fr", "en", "sv", "und"], ["en"]) == ["fr", "de", "sv", "en"]
    assert first_not_allowed(["en"], ["fr"], []) == ["en"]
