"""What is found in the texts of feedback and traffic: the columns that both frames have. Counts and kinds, no text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tuneloop.data.freshness import ages_in_days
from tuneloop.data.pii import scan
from tuneloop.data.text_marks import count_injections, count_special_tokens


def text_marks(texts: Sequence[str], *, names: bool) -> dict[str, list[Any]]:
    """pii_kinds (comma-separated, "" for none), special_tokens and injections (counts) of each text.

    `names`: also look for names of people, with spaCy (slow).
    """
    return {
        "pii_kinds": [",".join(sorted({kind for _, _, kind in found})) for found in scan(texts, names=names)],
        "special_tokens": [count_special_tokens(text) for text in texts],
        "injections": [count_injections(text) for text in texts],
    }


def time_marks(times: Sequence[str], *, as_of: datetime) -> dict[str, list[Any]]:
    """age_days (whole days; -1 where nobody knows) and bad_date (missing, unreadable or in the future) of each."""
    ages, bad = ages_in_days(times, as_of)
    return {
        "age_days": ages,
        "bad_date": [unreadable or not time.strip() for time, unreadable in zip(times, bad, strict=True)],
    }
