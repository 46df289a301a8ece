"""What is put where personal data stood, the same for the same person or number however it is written."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import unicodedata
from collections.abc import Callable, Sequence

from tuneloop.data.name_verdicts import plain

PSEUDONYM_DIGITS = 8
ID_DIGITS = 16

_TITLES = frozenset({"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "professor", "sir", "lady"})


def redaction(kind: str) -> str:
    """`<email>`: all findings of a kind look alike."""
    return f"<{kind}>"


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """`<email-3f9a2c41>`: equal for equal values (normalised, see `normalise`), and meaningless without the key."""
    return f"<{kind}-{keyed_hash(kind, value, key)[:PSEUDONYM_DIGITS]}>"


def pseudonymous_id(kind: str, value: str, key: bytes) -> str:
    """`email-3f9a2c41d0b7e655`: an id or group that was personal data, so that rows still join on it."""
    return f"{kind}-{keyed_hash(kind, value, key)[:ID_DIGITS]}"


def keyed_hash(kind: str, value: str, key: bytes) -> str:
    """Hex HMAC-SHA256 (RFC 2104): without the key nobody can try out all telephone numbers."""
    return hmac.new(key, f"{kind}\0{value}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def normalise(kind: str, text: str, regions: Sequence[str]) -> str:
    """One spelling for all spellings of a value: phones as E.164, names without titles and accents, and so on."""
    if kind == "phone":
        return _phone(text, regions)
    return _NORMALISERS.get(kind, str)(text)


def name_words(text: str) -> list[str]:
    """The words of a name in small letters without accents and titles; "Baker, Ann" is Ann Baker."""
    last, comma, first = text.partition(",")
    words = [plain(word).strip(".") for word in re.split(r"[\s\u00a0]+", f"{first} {last}" if comma else text)]
    return [word for word in words if word and word not in _TITLES]


def _email(text: str) -> str:
    spelt = re.sub(r"\s*[(\[{]\s*at\s*[)\]}]\s*", "@", unicodedata.normalize("NFKC", text).casefold())
    return re.sub(r"\s", "", re.sub(r"\s*[(\[{]\s*dot\s*[)\]}]\s*", ".", spelt))


def _phone(text: str, regions: Sequence[str]) -> str:
    import phonenumbers

    for region in regions:
        try:
            number = phonenumbers.parse(text, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return re.sub(r"\D", "", text)


def _compact(text: str) -> str:
    return re.sub(r"[\W_]", "", text).upper()


def _address(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


_NORMALISERS: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(("card", "iban", "ssn", "national_id", "mac"), _compact),
    "email": _email,
    "person": lambda text: " ".join(name_words(text)),
    "ip": lambda text: ipaddress.ip_address(text).compressed,
    "address": _address,
}
