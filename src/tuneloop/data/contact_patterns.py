"""The shapes of what people are reached or paid by: mail and street addresses, phones, cards, accounts, machines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int, str]

CARD_DIGITS = range(13, 20)
IBAN_CHARACTERS = range(15, 35)
MIN_IP_DIGITS = 6
PHONE_DIGITS = range(7, 16)

_EMAIL = re.compile(r"[\w.+%-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,24}\b")
_SPELT_EMAIL = re.compile(
    r"\b[\w.+-]{2,64}[ \t]*[(\[{][ \t]*at[ \t]*[)\]}][ \t]*[\w-]+"
    r"(?:[ \t]*(?:[(\[{][ \t]*dot[ \t]*[)\]}]|\.)[ \t]*[\w-]+)+",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\w.+-])[2-6]\d(?:[ -]?\d){11,17}(?![\w-])")
# ISO 13616 registry: without it every hundredth tracking number would be an account.
_IBAN_COUNTRY_TEXT = (
    "AD AE AL AT AZ BA BE BG BH BI BR BY CH CR CY CZ DE DJ DK DO EE EG ES FI FK FO FR GB GE GI GL GR GT HR HU IE IL IQ "
    "IS IT JO KW KZ LB LC LI LT LU LV LY MC MD ME MK MN MR MT MU NI NL NO OM PK PL PS PT QA RO RS RU SA SC SD SE SI SK "
    "SM SO ST SV TL TN TR UA VA VG XK"
)
_IBAN_COUNTRIES = frozenset(_IBAN_COUNTRY_TEXT.split())
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ \t]?[A-Z0-9]{4}){2,7}(?:[ \t]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
_IP = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.]*\d)|(?<![\w:])(?:[0-9a-f]{1,4}:){4,7}[0-9a-f]{1,4}(?![\w:])"
    r"|(?<![\w:])(?:[0-9a-f]{1,4}:){1,6}(?::[0-9a-f]{1,4}){1,6}(?![\w:])",
    re.IGNORECASE,
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_PHONE_LIKE = re.compile(r"(?<![\w.-])[+(]?\d(?:[ ()./-]{0,3}\d){7,16}(?![\w-])")
# A number behind such words is a phone number, whatever the number plans say: people mistype and leave digits out.
_CUED_PHONE = re.compile(
    r"\b(?:(?:tele)?phone|tel|mobile|cell(?:phone)?|fax|whatsapp|(?:call|ring|text|reach|phone|dial)(?:ed|ing)?"
    r"(?: (?:me|us|him|her|them))?(?: back)?)\b\.?(?: ?(?:number|no\.?|nr\.?|is|on|at|:|=|#)){0,3}[ \t]{0,3}"
    r"(?P<number>(?:\+|\(?\+?)\d(?:[ ().x/-]{0,3}\d){6,14})(?![\w-])",
    re.IGNORECASE,
)
_STREET = (
    r"(?:street|st|road|rd|avenue|ave|lane|ln|drive|dr|terrace|row|close|crescent|court|ct|way|place|pl|gardens|grove|"
    r"square|hill|mews|parade|boulevard|blvd|walk|park|rise|view|green)"
)
_GAP = r"(?:[ \t]+|[ \t]*,[ \t]*\n?[ \t]*|[ \t]*\n[ \t]*)"
_NAME = r"[A-Z][\w'\u2019.-]{1,40}"
_UK_POSTCODE = r"\b[A-Z]{1,2}\d[A-Z\d]?[ \t]?\d[ABD-HJLNP-UW-Z]{2}\b"
_US_STATE_ZIP = r"\b[A-Z]{2}[ \t]+\d{5}(?:-\d{4})?\b"
_ADDRESS = re.compile(
    rf"\b\d{{1,5}}[a-zA-Z]?{_GAP}(?:"
    rf"(?:{_NAME}[ \t]+){{1,4}}(?i:{_STREET})\b\.?(?:{_GAP}(?:{_NAME}{_GAP}){{0,4}}(?:{_UK_POSTCODE}|{_US_STATE_ZIP}))?"
    rf"|[A-Z][^\n]{{3,60}}?(?:{_UK_POSTCODE}|,[ \t]*{_US_STATE_ZIP}))"
)


def email_spans(text: str) -> Iterator[Span]:
    if "@" in text:
        yield from ((*match.span(), "email") for match in _EMAIL.finditer(text))


def spelt_email_spans(text: str) -> Iterator[Span]:
    """`jo (at) example (dot) org`."""
    yield from ((*match.span(), "email") for match in _SPELT_EMAIL.finditer(text))


def account_spans(text: str) -> Iterator[Span]:
    """IBANs, cards, US social security numbers and machines' addresses."""
    for kind, pattern, is_real in (
        ("iban", _IBAN, is_iban),
        ("card", _CARD, is_card),
        ("ssn", _SSN, bool),
        ("ip", _IP, is_public_ip),
    ):
        for match in pattern.finditer(text):
            if is_real(match[0]):
                yield (*match.span(), kind)


def address_spans(text: str) -> Iterator[Span]:
    """Streets with a house number, with or without a postcode behind, as Britons and Americans write them."""
    yield from ((*match.span(), "address") for match in _ADDRESS.finditer(text))


def phone_spans(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Numbers that the number plans of the world know as valid, or that come after "call me on". Most texts have
    nothing that could be one."""
    for match in _CUED_PHONE.finditer(text):
        if sum(c.isdigit() for c in match["number"]) in PHONE_DIGITS:
            yield (*match.span("number"), "phone")
    # With +country a number is the same in every region, and need not be looked for in all of them.
    like = list(_PHONE_LIKE.finditer(text))
    valid = [match for match in like if match[0].startswith("+") and _is_valid_number(match[0])]
    yield from ((*match.span(), "phone") for match in valid)
    if len(valid) < len(like):
        yield from _national_phones(text, regions)


def _is_valid_number(text: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text)))
    except phonenumbers.NumberParseException:
        return False


def _national_phones(text: str, regions: Sequence[str]) -> Iterator[Span]:
    import phonenumbers

    for region in regions:
        for found in phonenumbers.PhoneNumberMatcher(text, region, leniency=phonenumbers.Leniency.VALID):
            start, end = int(found.start), int(found.end)
            if _PHONE_LIKE.match(text, start):
                yield (start, end, "phone")


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
    if len(compact) not in IBAN_CHARACTERS or not compact.isascii() or compact[:2] not in _IBAN_COUNTRIES:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def is_public_ip(text: str) -> bool:
    """An address of a machine on the internet; 10.0.0.1 names nobody, and 9.1.2.3 is more often a section of a text."""
    try:
        return ipaddress.ip_address(text).is_global and len(re.sub(r"[.:]", "", text)) >= MIN_IP_DIGITS
    except ValueError:
        return False
