from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.contact_patterns import is_card, is_iban
from tuneloop.data.pii import find_kinds, find_spans, scan


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to bramble.tea+1@example.co.uk please", "email"),
        ("bramble (at) example (dot) org", "email"),
        ("ring 0161 496 0127 next time", "phone"),
        ("+44 20 7946 0958", "phone"),
        ("(212) 555-0147", "phone"),
        ("from Berlin +49 30 23125 014", "phone"),
        ("4111 1111 1111 1111", "card"),
        ("5555555555554444", "card"),
        ("3782 822463 10005", "card"),
        ("GB82 WEST 1234 5698 7654 32", "iban"),
        ("DE89370400440532013000", "iban"),
        ("my IP is 81.2.69.142", "ip"),
        ("2a02:c7f:1:2:3:4:5:6", "ip"),
        ("SSN 536-90-4399", "ssn"),
        ("password: Tulip-Garden!", "secret"),
        ("my password is hunter2", "secret"),
        ("PIN: 4821", "secret"),
        ("api_key=mgk_live_9f83kd02", "secret"),
        ("AKIAIOSFODNN7EXAMPLE", "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----", "secret"),
        ("call me on 555 0147", "phone"),
        ("my mobile number is 07700 9001234", "phone"),
        ('{"client_secret": "q7Rt-x91"}', "secret"),
        ("aws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "secret"),
        ("Authorization: Bearer abcdef1234567890abcdef", "secret"),
        ("postgres://app:s3cret@db.internal/prod", "credential_url"),
        ("redis://:s3cret@cache.internal:6379", "credential_url"),
        ("https://jo:pass@host.example/x", "credential_url"),
        ("https://host.example/x?token=abcdef123", "credential_url"),
        ("27 Larkhill Terrace, Leeds LS7 4QD", "address"),
        ("8 Tanner's Row, Norwich NR3 1BX", "address"),
        ("500 Oak Avenue, Springfield, IL 62701", "address"),
        ("send it to 14 Mill Lane please", "address"),
    ],
)
def test_personal_data_is_found_by_kind(text: str, kind: str) -> None:
    assert find_kinds(text) == {kind}


@pytest.mark.parametrize(
    "text",
    [
        "order MG-48213 of 2026-03-14",
        "it costs 25,000-50,000 SEK or £1,268.50",
        "4111 1111 1111 1112 is mistyped",
        "my password is wrong",
        "the password was rejected twice",
        "the token is missing",
        "version 10.0.0.1 and 127.0.0.1",
        "https://example.org/page?id=4",
        "I bought 27 Green plates",
        "24 cm stockpot, 220-240 V, 50/60 Hz",
        "model KX 1234 5678",
        "parts 12345678 and 87654321",
        "section 9.1.2.3 of the rules",
        "between 9:00 and 17:00 on 12.03.2026",
        "1 2 3 4 5 6 7 8 9",
        "tracking 00340434161094022115",
        "tracking JD1035193766833662",
        "call about order 12345678",
    ],
)
def test_numbers_and_words_of_everyday_are_left_alone(text: str) -> None:
    assert find_kinds(text) == frozenset()


@pytest.mark.parametrize(
    "parts",
    [
        ("xoxb", "-1234567890-abcdefghij"),
        ("sk_live", "_0123456789abcdefABCD"),
        ("glpat", "-abcdefghij0123456789"),
        ("npm", "_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("pypi", "-AgEIcHlwaS5vcmcCJDQ4"),
        ("SG", ".abcdefghij0123456789.klmnopqrst0123456789"),
        ("ya29", ".a0AfH6SMBx0123456789abcd"),
        ("ghp", "_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),
    ],
)
def test_keys_with_a_known_prefix_are_secrets(parts: tuple[str, str]) -> None:
    key = "".join(parts)  # in two parts, so that no scanner of repositories takes the tests for a leak

    ((start, end, kind),) = find_spans(f"use {key} here")

    assert (start, end, kind) == (4, 4 + len(key), "secret")


def test_a_private_key_is_found_with_its_body() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"

    assert find_spans(f"see\n{key}\nthere") == [(4, 4 + len(key), "secret")]


def test_many_texts_are_scanned_as_each_by_itself() -> None:
    texts = ["a.b@example.org", "nothing", "call +44 20 7946 0958", ""]

    assert scan(texts, names=False) == [find_spans(text) for text in texts]


def test_placeholders_are_nothing_to_be_found_again() -> None:
    text = "password: <secret-12345678> or <phone-12345678>, 14 <person> Lane, <email>"

    assert find_spans(text) == []


def test_checksums_decide() -> None:
    assert is_card("4111-1111-1111-1111")
    assert not is_card("4111-1111-1111-1113")
    assert not is_card("2222222222222222")
    assert is_iban("GB82WEST12345698765432")
    assert not is_iban("GB83WEST12345698765432")


@given(st.text(max_size=200))
def test_spans_are_ordered_apart_and_inside_the_text(text: str) -> None:
    spans = find_spans(text)

    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


@pytest.mark.parametrize("text", ["1 " * 5000, "a@" * 5000, "A" * 20_000, "1 A" * 3000, "x." * 5000, "(" * 10_000])
def test_hostile_texts_take_no_time(text: str) -> None:
    started = time.process_time()
    find_kinds(text)
    assert time.process_time() - started < 2.0
