"""The ledger of responses: everything that people ever sent, by response id, and what of it stands today."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer
from tuneloop.review.rows import read_rows, write_rows

RESPONSES = "responses.jsonl"

FLAG = "flag:"
"""Issues that start so say that the record must not be used at all (personal data, say)."""

RATINGS = range(1, 6)

_FIELDS = [field.name for field in fields(ReviewAnswer)]
_NEEDED = [f.name for f in fields(ReviewAnswer) if f.default is MISSING and f.default_factory is MISSING]


def changed(answer: str, correction: str | None) -> str | None:
    """The correction, stripped; None where it is empty or the answer itself, which people find pre-filled."""
    text = (correction or "").strip()
    return text if text and text != answer.strip() else None


def is_flagged(answer: ReviewAnswer) -> bool:
    """Whether this person says that the record must not be used."""
    return any(issue.startswith(FLAG) for issue in answer.issues)


def read_ledger(folder: Path) -> dict[str, ReviewAnswer]:
    """Response id -> response, as a finished call has left them; what earlier releases did not write has its default.

    Raises:
        DataError: a line is damaged. Nothing is written before it has been read, so nothing is lost.
    """
    file = folder / RESPONSES
    return {answer.response_id: answer for answer in (_response(row, file) for row in read_rows(file))}


def write_ledger(folder: Path, ledger: Iterable[ReviewAnswer]) -> None:
    write_rows(folder / RESPONSES, ({name: getattr(answer, name) for name in _FIELDS} for answer in ledger))


def merged(known: Mapping[str, ReviewAnswer], answers: Iterable[ReviewAnswer]) -> list[ReviewAnswer]:
    """The ledger with these answers in it, in order of submission.

    An edited response replaces its old self, and an old copy never a newer one. A draft or a discarded answer replaces
    what had been submitted: that is how something is taken back. A response that is no longer among `answers` stays: a
    desk that was emptied must not take the corrections with it.
    """
    found = dict(known)
    for answer in answers:
        old = found.get(answer.response_id)
        if old is None or answer.submitted_at >= old.submitted_at:
            found[answer.response_id] = _kept(answer)
    return sorted(found.values(), key=lambda answer: (answer.submitted_at, answer.response_id))


def latest(ledger: Sequence[ReviewAnswer]) -> list[ReviewAnswer]:
    """What each reviewer last said of each record, whatever its status, in order of submission.

    A desk that was moved may give old responses new ids: one person has one say on one record.
    """
    last = {(answer.review_set, answer.item_id, answer.reviewer): answer for answer in ledger}
    return sorted(last.values(), key=lambda answer: (answer.submitted_at, answer.response_id))


def _kept(answer: ReviewAnswer) -> ReviewAnswer:
    """Of what was not submitted only the fact is kept and, of a discarded answer, why: the rest is not for us yet."""
    issues = tuple(sorted(answer.issues))
    whole = replace(
        answer,
        correction=changed(answer.answer, answer.correction),
        issues=issues,
        rating=_rating(answer.rating),
        dimensions={name: value for name, value in answer.dimensions.items() if _rating(value)},
    )
    if answer.status == "submitted":
        return whole
    reasons = issues if answer.status == "discarded" else ()
    return replace(whole, rating=None, dimensions={}, preferred=None, correction=None, issues=reasons)


def _rating(value: Any) -> int | None:
    """A file that people have edited may hold anything; the feedback suite reports what is no rating."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value in RATINGS else None


def _response(row: Mapping[str, Any], file: Path) -> ReviewAnswer:
    missing = [name for name in _NEEDED if name not in row]
    if missing:
        raise DataError(
            f"{file}: the response {row.get('response_id', 'without an id')} has no {missing[0]}; restore the file "
            "from a backup, or delete the line and collect again"
        )
    known = {name: value for name, value in row.items() if name in _FIELDS}
    return ReviewAnswer(**known | {"issues": tuple(row["issues"])})
