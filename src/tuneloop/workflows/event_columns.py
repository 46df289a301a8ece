"""The slim frames of reviewers' answers and of production traffic: what was found in each, without its text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from tuneloop.data.freshness import ages_in_days
from tuneloop.data.pii import scan
from tuneloop.data.text_marks import count_injections, count_special_tokens, detect_language
from tuneloop.drift.traffic import TrafficRow
from tuneloop.ports import ReviewAnswer
from tuneloop.review.collecting import FLAG, changed
from tuneloop.review.review_sets import prompt_hash

NO_RATING, BAD_RATING = 0, -1
RATINGS = range(1, 6)

_PSEUDONYM = re.compile(r"(?=.*\d)(?:[a-z]+[-_])?[0-9a-f-]{6,64}")


def feedback_columns(
    answers: Sequence[ReviewAnswer],
    *,
    as_of: datetime,
    issue_tags: Collection[str] | None = None,
    asked: Collection[str] | None = None,
    names: bool = True,
) -> pd.DataFrame:
    """Return a row per answer.

    id (of the response); rating (1 to 5, 0 for none, -1 for anything else); reviewer_problem and correction_problem
    ("" for none); unknown_issues (how many tags are not among `issue_tags`; flags are always known);
    never_asked (the prompt is not among the hashes in `asked`, see `AskedLedger`); age_days and bad_date of its
    submission; pii_kinds, special_tokens and injections in the correction. None: not looked at.
    """
    rows = [
        {
            "id": answer.response_id,
            "rating": rating(answer.rating),
            "reviewer_problem": reviewer_problem(answer.reviewer),
            "correction_problem": correction_problem(answer.answer, answer.correction),
            "unknown_issues": _unknown(answer.issues, issue_tags),
            "never_asked": asked is not None and prompt_hash(answer.prompt) not in asked,
        }
        for answer in answers
    ]
    times = _time_marks([a.submitted_at for a in answers], as_of=as_of)
    return pd.DataFrame(rows).assign(**times, **_text_marks([a.correction or "" for a in answers], names=names))


def rating(value: Any) -> int:
    """Return `value` where it is a whole number from 1 to 5; 0 for none, -1 for anything else."""
    if value is None:
        return NO_RATING
    return value if isinstance(value, int) and not isinstance(value, bool) and value in RATINGS else BAD_RATING


def reviewer_problem(reviewer: str) -> str:
    """A pseudonym is hexadecimal, with a word in front of it at most: anything else may be a person's name."""
    if "@" in reviewer:
        return "an e-mail address"
    return "" if _PSEUDONYM.fullmatch(reviewer) else "not a pseudonym"


def correction_problem(answer: str, correction: str | None) -> str:
    if correction is None or changed(answer, correction) is not None:
        return ""
    return "same as the answer" if correction.strip() else "empty"


def _unknown(issues: Sequence[str], known: Collection[str] | None) -> int:
    return 0 if known is None else sum(not i.startswith(FLAG) and i not in known for i in issues)


def traffic_columns(rows: Sequence[TrafficRow], *, as_of: datetime, names: bool = False) -> pd.DataFrame:
    """Return a row per request.

    id; empty_prompt, empty_answer; prompt_characters; language of the prompt (ISO 639-1 or `und`); age_days and
    bad_date; pii_kinds, special_tokens and injections in prompt, answer and what was sent. Names of people cost too
    much to look for in every request: `names` asks for them.
    """
    about = [
        {
            "id": row.id,
            "empty_prompt": not row.prompt.strip(),
            "empty_answer": not row.answer.strip(),
            "prompt_characters": len(row.prompt),
            "language": detect_language(row.prompt),
        }
        for row in rows
    ]
    texts = ["\n".join((row.prompt, row.answer, row.sent or "")) for row in rows]
    return pd.DataFrame(about).assign(
        **_time_marks([r.time for r in rows], as_of=as_of), **_text_marks(texts, names=names)
    )


def _text_marks(texts: Sequence[str], *, names: bool) -> dict[str, list[Any]]:
    """Return pii_kinds (comma-separated, "" for none), special_tokens and injections (counts) of each text.

    `names`: also look for names of people, with spaCy (slow).
    """
    return {
        "pii_kinds": [",".join(sorted({kind for _, _, kind in found})) for found in scan(texts, names=names)],
        "special_tokens": [count_special_tokens(text) for text in texts],
        "injections": [count_injections(text) for text in texts],
    }


def _time_marks(times: Sequence[str], *, as_of: datetime) -> dict[str, list[Any]]:
    """Return age_days (whole days; -1 where it is not known) and bad_date (none, unreadable or in future) of each."""
    ages, bad = ages_in_days(times, as_of)
    return {
        "age_days": ages,
        "bad_date": [unreadable or not time.strip() for time, unreadable in zip(times, bad, strict=True)],
    }
