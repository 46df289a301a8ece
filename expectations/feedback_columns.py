"""The slim frame of reviewers' answers: what was found in each, without its text."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from expectations.found_in_texts import text_marks, time_marks
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
    """A row per answer.

    id (of the response); rating (1 to 5, 0 for none, -1 for anything else); reviewer_problem and correction_problem
    ("" for none); unknown_issues (how many tags are not among `issue_tags`; what people flag is always known);
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
    times = time_marks([a.submitted_at for a in answers], as_of=as_of)
    return pd.DataFrame(rows).assign(**times, **text_marks([a.correction or "" for a in answers], names=names))


def rating(value: Any) -> int:
    """`value` where it is a whole number from 1 to 5; 0 for none, -1 for anything else."""
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
