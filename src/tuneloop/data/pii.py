"""Personal data and secrets in a text: where, and of which kind.

What has a fixed form is found by pattern, then by checksum or number plan, so false alarms are few (contact_patterns,
secret_patterns, national_ids); names of people have none (person_names). Only kinds and counts may leave the data
checks, never the text that matched: whoever must show a row shows `tuneloop.data.masking.shown(text)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tuneloop.data.contact_patterns import account_spans, address_spans, email_spans, phone_spans, spelt_email_spans
from tuneloop.data.hints import as_arrow, hinted
from tuneloop.data.national_ids import number_spans
from tuneloop.data.person_names import name_spans
from tuneloop.data.secret_patterns import assigned_secrets, credential_urls, known_keys

KINDS = (
    *("email", "phone", "card", "iban", "ip", "mac", "ssn", "national_id", "crypto", "secret", "credential_url"),
    *("address", "person"),
)

PHONE_REGIONS = ("GB", "US")
"""Numbers without +country are read as numbers of these countries; those with it are read wherever they belong."""

PLACEHOLDER = re.compile(rf"<(?:{'|'.join(KINDS)})(?:-[0-9a-f]{{8}})?>")
"""What stands where personal data stood: `<email>` or `<email-3f9a2c41>`."""

Span = tuple[int, int, str]

# A text without any of these has no personal data of a fixed form: a microsecond for most rows (RE2's syntax).
_HINTS = r"(?i)[\p{Nd}@:=]|[(\[{]\s*at\b|-----BEGIN"
_DIGIT = re.compile(r"\d")
MIN_DIGITS = 7
"""No phone, card or account has fewer; IP addresses of version 6 may, and have colons."""
MIN_ID_DIGITS = 4


def scan(texts: Sequence[str], *, names: bool, regions: Sequence[str] = PHONE_REGIONS) -> list[list[Span]]:
    """For every text (start, end, kind) of all that was found in it: in order, none overlapping, placeholders left out.

    `names`: look for people as well, with spaCy (see `tuneloop.data.person_names`). What is found in a text does not
    depend on the others.
    """
    readable = [_without_placeholders(text) for text in texts]
    if not readable:
        return []
    hints = hinted(as_arrow(readable), _HINTS).tolist()
    formed = [_merge([], _all_spans(t, regions)) if hint else [] for t, hint in zip(readable, hints, strict=True)]
    if not names:
        return formed
    people = name_spans(readable)
    return [_merge(spans, persons) for spans, persons in zip(formed, people, strict=True)]


def find_spans(text: str, *, regions: Sequence[str] = PHONE_REGIONS) -> list[Span]:
    """(start, end, kind) of everything that has a fixed form (all of `KINDS` but person), in order, none overlapping:
    the more certain kind wins a shared stretch."""
    return scan([text], names=False, regions=regions)[0]


def find_kinds(text: str, *, regions: Sequence[str] = PHONE_REGIONS) -> frozenset[str]:
    """The kinds of personal data with a fixed form in a text (everything in `KINDS` but person)."""
    return frozenset(kind for _, _, kind in find_spans(text, regions=regions))


def _without_placeholders(text: str) -> str:
    """The text with line ends for placeholders, which no pattern reaches across; offsets stay."""
    return PLACEHOLDER.sub(lambda match: "\n" * len(match[0]), text) if "<" in text else text


def _merge(taken: Sequence[Span], more: Sequence[Span] | Iterator[Span]) -> list[Span]:
    kept = list(taken)
    for span in more:
        if all(span[1] <= start or span[0] >= end for start, end, _ in kept):
            kept.append(span)
    return sorted(kept)


def _all_spans(text: str, regions: Sequence[str]) -> Iterator[Span]:
    """Most certain kinds first."""
    yield from credential_urls(text)
    yield from known_keys(text)
    yield from email_spans(text)
    yield from spelt_email_spans(text)
    digits = len(_DIGIT.findall(text))
    has_digits = digits >= MIN_DIGITS or text.count(":") > 1
    if has_digits:
        yield from account_spans(text)
    if digits >= MIN_ID_DIGITS:
        yield from number_spans(text)
    yield from assigned_secrets(text)
    if has_digits:
        yield from phone_spans(text, regions)
    yield from address_spans(text)
