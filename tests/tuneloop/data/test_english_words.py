"""Held against spaCy's word lists and example sentences of some seventy languages."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
import spacy.lang

from tuneloop.data.hints import as_arrow
from tuneloop.data.languages import detect_languages
from tuneloop.data.words import ENGLISH_WORDS, count_words

pytestmark = pytest.mark.integration

ENGLISH = {"en", "xx"}  # xx: examples of many languages
DOUBTFUL = {"and"}  # a duck in Norwegian, which that list has by mistake for "annen"


def parts(name: str) -> Iterator[tuple[str, Any]]:
    for module in pkgutil.iter_modules(spacy.lang.__path__):
        place = f"spacy.lang.{module.name}.{name}"
        if module.ispkg and module.name not in ENGLISH and importlib.util.find_spec(place):
            yield module.name, importlib.import_module(place)


def test_no_word_that_counts_as_english_is_a_frequent_word_elsewhere() -> None:
    shared = {name: ENGLISH_WORDS & set(part.STOP_WORDS) - DOUBTFUL for name, part in parts("stop_words")}

    assert len(shared) > 40
    assert {name: words for name, words in shared.items() if words} == {}


def test_no_sentence_of_another_language_is_called_english() -> None:
    sentences = [(name, s) for name, part in parts("examples") for s in part.sentences]
    counts = count_words(as_arrow([s for _, s in sentences]))

    assert len(sentences) > 300
    found = detect_languages([s for _, s in sentences], counts, ("en",))
    assert [s for s, language in zip(sentences, found, strict=True) if language == "en"] == []
