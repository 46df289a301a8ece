"""Personal data and secrets with a fixed form: found by pattern, then by checksum or number plan, so false alarms are
few.

Names of people have no form; see person_names.py. Only kinds and counts leave this file, never the text that matched:
whoever must show a row shows `mask(text)`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence

from tuneloop.data.person_names import name_spans

KINDS = ("email", "phone", "card", "iban", "ip", "ssn", "secret", "credential_url", "address", "person")

PHONE_REGIONS = ("GB", "US")
"""Numbers without +country are read as numbers of these countries; those with it are read wherever they belong."""

CARD_DIGITS = range(13, 20)
IBAN_CHARACTERS = range(15, 35)
MIN_SECRET_CHARACTERS = 4
MIN_IP_DIGITS = 6

Span = tuple[int, int, str]

_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[a-z0-9-]{1,63}\.)+[a-z]{2,24}\b", re.IGNORECASE)
_SPELT_EMAIL = re.compile(
    r"\b[\w.+-]{2,64}\s*[(\[{]\s*at\s*[)\]}]\s*[\w-]+(?:\s*(?:[(\[{]\s*dot\s*[)\]}]|\.)\s*[\w-]+)+", re.IGNORECASE
)
_PHONE_LIKE = re.compile(r"(?<![\w.-])[+(]?\d(?:[ ()./-]{0,3}\d){7,16}(?![\w-])")
_CARD = re.compile(r"(?<![\d.-])[2-6]\d(?:[ -]?\d){11,17}(?![\d-])")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,4})?\b")
_IP = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_CREDENTIAL_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]+:[^\s/@]+@\S+"
    r"|\bhttps?://\S*[?&](?:token|access_token|api_?key|key|secret|password|pwd|signature)=[^\s&]{6,}",
    re.IGNORECASE,
)
_KNOWN_KEYS = re.compile(
    r"\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{30,}|\bsk-[A-Za-z0-9_-]{20,}"
    r"|\bhf_[A-Za-z0-9]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\bAIza[\w-]{35}|\b[sr]k_live_\w{16,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{5,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
_ASSIGNED_SECRET = re.compile(
    r"\b(?:password|passwd|pwd|passcode|pass\s?phrase|pin|api[ _-]?key|secret(?:[ _-]?key)?|access[ _-]?token|token)\b"
    r"(?:\s*[:=]\s*|\s+(?:is|was)\s*:?\s*)[\"'`]?(?P<value>[^\s\"'`,;]{4,})",
    re.IGNORECASE,
)
_HAS_SYMBOL = re.compile(r"\w[^\w\s]\w")
_STREET = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|terrace|row|close|crescent|court|ct|way|place|pl|gardens|grove|"
    r"square|hill|mews|parade|boulevard|blvd|walk|park|rise|view|green)"
)
_HOUSE = rf"\b\d{{1,5}}[a-zA-Z]?,?\s+(?:[A-Z][\w'\u2019.-]+\s+){{1,4}}(?i:{_STREET})\b\.?"
_UK_POSTCODE = r"\b[A-Z]{1,2}\d[A-Z\d]?\s?\d[ABD-HJLNP-UW-Z]{2}\b"
_US_STATE_ZIP = r"\b[A-Z]{2}\s+\d{5}(?:-\d{4})?\b"
_ADDRESS = re.compile(
    rf"{_HOUSE}(?:[\s,]+(?:[A-Z][\w'\u2019.-]+[\s,]+){{0,4}}(?:{_UK_POSTCODE}|{_US_STATE_ZIP}))?"
    rf"|\b\d{{1,5}}[a-zA-Z]?,?\s+[A-Z][^\n]{{3,60}}?(?:{_UK_POSTCODE}|,\s*{_US_STATE_ZIP})"
)


def find_kinds(text: str, *, regions: Sequence[str] = PHONE_REGIONS) -> frozenset[str]:
    """The kinds of structured personal data in a text (everything in `KINDS` but person)."""
    return frozenset(kind for _, _, kind in find_spans(text, regions=regions))


def find_spans(text: str, *, regions: Sequence[str] = PHONE_REGIONS) -> list[Span]:
    """(start, end, kind) of every finding, in order, none overlapping: the more certain kind wins a shared stretch."""
    taken: list[Span] = []
    for span in _all_spans(text, regions):
        if all(span[1] <= start or span[0] >= end for start, end, _ in taken):
            taken.append(span)
    return sorted(taken)


def mask(text: str) -> str:
    """`text` with every finding, names of people included, replaced by its kind: `<email>`."""
    formed = _replace(text, find_spans(text))
    return _replace(formed, name_spans([formed])[0])


def _replace(text: str, spans: Sequence[Span]) -> str:
    for start, end, kind in reversed(spans):
        text = f"{text[:start]}<{kind}>{text[end:]}"
    return text


def _all_spans(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Most certain kinds first."""
    plain: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
        ("credential_url", _CREDENTIAL_URL, _always),
        ("secret", _KNOWN_KEYS, _always),
        ("email", _EMAIL, _always),
        ("email", _SPELT_EMAIL, _always),
        ("iban", _IBAN, is_iban),
        ("card", _CARD, is_card),
        ("ssn", _SSN, _always),
        ("ip", _IP, is_public_ip),
    )
    for kind, pattern, is_real in plain:
        for match in pattern.finditer(text):
            if is_real(match[0]):
                yield (*match.span(), kind)
    yield from _assigned_secrets(text)
    yield from _phones(text, regions)
    for match in _ADDRESS.finditer(text):
        yield (*match.span(), "address")


def _always(_: str) -> bool:
    return True


def is_card(text: str) -> bool:
    """13 to 19 digits that pass the Luhn test (ISO/IEC 7812-1) and are not one digit over and over."""
    digits = [int(c) for c in text if c.isdigit()]
    if len(digits) not in CARD_DIGITS or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * d, 10)) if i % 2 else d for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Letters and digits that leave 1 modulo 97 (ISO 13616)."""
    compact = re.sub(r"\s", "", text).upper()
    if len(compact) not in IBAN_CHARACTERS:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def is_public_ip(text: str) -> bool:
    """An address of a machine on the internet; 10.0.0.1 names nobody, and 9.1.2.3 is more often a section of a text."""
    try:
        return ipaddress.ip_address(text).is_global and len(re.sub(r"[.:]", "", text)) >= MIN_IP_DIGITS
    except ValueError:
        return False


def _assigned_secrets(text: str) -> Iterator[Span]:
    """`password: x`, and `password is x` where x looks like one: "my password is wrong" is no secret."""
    for match in _ASSIGNED_SECRET.finditer(text):
        value = match["value"].rstrip(".!?)")
        start = match.start("value")
        is_assigned = bool(re.search(r"[:=]", text[match.start() : start]))
        looks_like_one = re.search(r"\d", value) or (is_assigned and _HAS_SYMBOL.search(value))
        if len(value) >= MIN_SECRET_CHARACTERS and looks_like_one:
            yield (start, start + len(value), "secret")


def _phones(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Numbers that the number plans of the world know as valid. Most texts have nothing that could be one."""
    if not _PHONE_LIKE.search(text):
        return
    import phonenumbers

    for region in regions:
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
            if _PHONE_LIKE.match(text, match.start):
                yield (match.start, match.end, "phone")
