"""Numbers that states, mints and network cards hand out: found by our shapes, confirmed by Presidio's recognisers.

Presidio (https://microsoft.github.io/presidio/) knows the checksums. Its package takes seconds to import, so it is
loaded only for a text that has a number of the right shape and, where the number alone is too common, a word that says
what it is ("NHS", "passport") near it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from presidio_analyzer import PatternRecognizer

Span = tuple[int, int, str]

CONTEXT_CHARACTERS = 60
"""How far from the number the word may be that says what it is."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a number looks like. Words of `context` must be near it, if there are any; else the shape says enough."""

    recogniser: str
    pattern: str
    context: str = ""
    kind: str = "national_id"


def _bounded(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])")


def _word(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{pattern})", re.IGNORECASE)


_PASSPORT = r"passport|travel document"
_TAX_AU = r"tfn\b|tax file"
SHAPES = (
    Shape("NhsRecognizer", r"\d{3}[- ]?\d{3}[- ]?\d{4}", r"nhs\b|national health|health service"),
    Shape("UkNinoRecognizer", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]"),
    Shape("EsNifRecognizer", r"\d{8}-?[A-Z]"),
    Shape("EsNieRecognizer", r"[X-Z]\d{7}-?[A-Z]"),
    Shape("ItFiscalCodeRecognizer", r"[A-Z]{6}\d{2}[A-EHLMPR-T]\d{2}[A-Z]\d{3}[A-Z]"),
    Shape("FiPersonalIdentityCodeRecognizer", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]"),
    Shape("InAadhaarRecognizer", r"\d{4}[- :]?\d{4}[- :]?\d{4}", r"aadh?aa?r|uidai|uid\b"),
    Shape("InPanRecognizer", r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", r"pan\b|permanent account|income tax"),
    Shape("AuTfnRecognizer", r"\d{3} \d{3} \d{3}|\d{9}", _TAX_AU),
    Shape("AuAbnRecognizer", r"\d{2} \d{3} \d{3} \d{3}|\d{11}", r"abn\b|australian business"),
    Shape("AuMedicareRecognizer", r"[2-6]\d{3} \d{5} \d|[2-6]\d{9}", r"medicare"),
    Shape("SgFinRecognizer", r"[STFGM]\d{7}[A-Z]", r"nric|fin\b|singapore|identity card"),
    Shape("KrRrnRecognizer", r"\d{6}-[1-4]\d{6}"),
    Shape("KrFrnRecognizer", r"\d{6}-[5-8]\d{6}"),
    Shape("ThTninRecognizer", r"[1-9]\d{12}", r"thai|tnin\b|national id"),
    Shape("NgNinRecognizer", r"\d{11}", r"nin\b|national identi"),
    Shape("UsItinRecognizer", r"9\d{2}-\d{2}-\d{4}"),
    Shape("UsMbiRecognizer", r"[1-9][A-Z][A-Z\d]\d-?[A-Z][A-Z\d]\d-?[A-Z]{2}\d{2}", r"medicare|mbi\b|beneficiary"),
    Shape("UsPassportRecognizer", r"[A-Z]?\d{8,9}", _PASSPORT),
    Shape("UkPassportRecognizer", r"[A-Z]{2}\d{7}", _PASSPORT),
    Shape("InPassportRecognizer", r"[A-Z][1-9]\d ?\d{4}[1-9]", _PASSPORT),
    Shape("CryptoRecognizer", r"(?:bc1|[13])[a-zA-HJ-NP-Z0-9]{25,59}", kind="crypto"),
    Shape("MacAddressRecognizer", r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}", kind="mac"),
)
_CONTEXTS = _word("|".join(s.context for s in SHAPES if s.context))
_PLAIN_SHAPES = _bounded("|".join(s.pattern for s in SHAPES if not s.context))
# Its checksum needs Keccak, but nothing else looks like it.
_ETHEREUM = re.compile(r"(?<!\w)0x[0-9a-fA-F]{40}(?!\w)")

_PESEL, _PESEL_WORD = _bounded(r"[0-9]{11}"), _word(r"pesel\b")


def number_spans(text: str) -> Iterator[Span]:
    """(start, end, kind) of every confirmed number; kinds are national_id, crypto and mac."""
    for match in _ETHEREUM.finditer(text):
        yield (*match.span(), "crypto")
    if _PESEL_WORD.search(text):
        yield from ((*m.span(), "national_id") for m in _PESEL.finditer(text) if is_pesel(m[0]))
    has_context, has_shape = _CONTEXTS.search(text), _PLAIN_SHAPES.search(text)
    for shape in (s for s in SHAPES if (has_context if s.context else has_shape)):
        near = [
            match.span() for match in _bounded(shape.pattern).finditer(text) if _has_context(text, *match.span(), shape)
        ]
        if near:
            confirmed = _confirmed(shape.recogniser, text)
            yield from ((start, end, shape.kind) for start, end in near if (start, end) in confirmed)


def _has_context(text: str, start: int, end: int, shape: Shape) -> bool:
    nearby = text[max(0, start - CONTEXT_CHARACTERS) : end + CONTEXT_CHARACTERS]
    return not shape.context or bool(_word(shape.context).search(nearby))


def _confirmed(recogniser: str, text: str) -> set[tuple[int, int]]:
    found = _recogniser(recogniser)
    results = found.analyze(text, found.supported_entities, None)
    if has_checksum(found):
        results = [r for r in results if r.score == found.MAX_SCORE]
    # One of the patterns takes the space in front of the number along.
    return {(r.start + len(text[r.start : r.end]) - len(text[r.start : r.end].lstrip()), r.end) for r in results}


def has_checksum(recogniser: PatternRecognizer) -> bool:
    """Whether it verifies numbers; it then gives full marks to right ones, and to wrong ones, now and then, some."""
    from presidio_analyzer import PatternRecognizer

    return type(recogniser).validate_result is not PatternRecognizer.validate_result


def is_pesel(text: str) -> bool:
    """A Polish PESEL: the weighted sum of all eleven digits ends in 0 (Presidio 2.2.362 leaves out the complement)."""
    return sum(int(d) * w for d, w in zip(text, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1), strict=True)) % 10 == 0


@cache
def _recogniser(name: str) -> PatternRecognizer:
    from presidio_analyzer import predefined_recognizers

    made: PatternRecognizer = getattr(predefined_recognizers, name)()
    return made
