from __future__ import annotations

import subprocess
import sys

import pytest

from tuneloop.data.pii import find_kinds

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    "text",
    [
        "my NHS number is 943 476 5919",
        "NI number AB 12 34 56 C",
        "DNI 12345678Z",
        "NIE X1234567L",
        "codice fiscale RSSMRA85T10A562S",
        "henkilötunnus 131052-308T",
        "Aadhaar: 2341 2341 2346",
        "income tax PAN ABCPE1234F",
        "TFN 123 456 782",
        "ABN 51 824 753 556",
        "Medicare 2123 45670 1",
        "PESEL 44051401359",
        "NRIC S1234567D",
        "ITIN 912-70-1234",
        "passport number AB1234567",
    ],
)
def test_national_numbers_are_found(text: str) -> None:
    assert find_kinds(text) == {"national_id"}


@pytest.mark.parametrize(
    "text",
    [
        "my NHS number is 943 476 5918",
        "order 943 476 5919",
        "DNI 12345678A",
        "batch 2341 2341 2346",
        "serial 44051401359",
        "part ABCPE1234F",
        "model S1234567D",
        "ticket AB1234567",
        "RSSMRA85T10A562T",
        "PESEL 44051401358",
    ],
)
def test_a_wrong_checksum_or_a_number_without_its_word_is_left_alone(text: str) -> None:
    assert "national_id" not in find_kinds(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto"),
        ("or bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "crypto"),
        ("0x52908400098527886E0F7030069857D2E4169EE7", "crypto"),
        ("the card has 00:1A:2B:3C:4D:5E", "mac"),
    ],
)
def test_wallets_and_network_cards_are_found(text: str, kind: str) -> None:
    assert find_kinds(text) == {kind}


def test_a_wallet_with_a_wrong_checksum_is_left_alone() -> None:
    assert find_kinds("send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb") == frozenset()


def test_presidio_is_not_loaded_for_a_text_without_such_numbers() -> None:
    code = (
        "import sys; from tuneloop.data.pii import scan; scan(['ring +44 20 7946 0958, jo@example.org'], names=False);"
        "assert not {'presidio_analyzer', 'spacy', 'torch'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
