"""How old rows are. Exports write dates in many ways; those that can be read without guessing are read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

NO_AGE = -1
MAX_CLOCK_DIFFERENCE = timedelta(days=1)
"""A date without a time zone may lie this far in the future."""

_EPOCH = re.compile(r"-?\d{9,10}(?:\.\d+)?")
_EPOCH_MILLISECONDS = re.compile(r"\d{12,13}")
_DAY = re.compile(r"\d{8}")


def ages_in_days(dates: Sequence[str | None], as_of: datetime) -> tuple[list[int], list[bool]]:
    """(whole days since each date, -1 where there is none; whether a date is unreadable or in the future).

    Read are ISO 8601 dates and times, seconds or milliseconds since 1970, and the dates of mail (RFC 5322); UTC where
    no time zone is given.
    """
    now = _in_utc(as_of)
    found = [(NO_AGE, False) if d is None or not d.strip() else _age(d.strip(), now) for d in dates]
    return [days for days, _ in found], [bad for _, bad in found]


def _age(text: str, now: datetime) -> tuple[int, bool]:
    moment = read_date(text)
    if moment is None or moment - now > MAX_CLOCK_DIFFERENCE:
        return NO_AGE, True
    return max((now - moment).days, 0), False


def read_date(text: str) -> datetime | None:
    """With a time zone; None where the text cannot be read as a date."""
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if _EPOCH_MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        return _in_utc(_written_date(text.removesuffix(" UTC")))
    except (ValueError, OverflowError, OSError):
        return None


def _written_date(text: str) -> datetime:
    if text.isdigit() and not _DAY.fullmatch(text):
        raise ValueError("a number that is neither a day nor seconds since 1970")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
