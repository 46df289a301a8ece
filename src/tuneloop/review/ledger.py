"""Keep every response that reviewers ever sent, by its id, and read the records with the responses that are current.

Files of the review folder are private JSONL; whole files are replaced at once, so a kill leaves the old or the new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer, ReviewKind
from tuneloop.review.review_sets import prompt_hash
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
    backend that was emptied must not take the corrections with it.
    """
    found = dict(known)
    for answer in answers:
        old = found.get(answer.response_id)
        if old is None or answer.submitted_at >= old.submitted_at:
            found[answer.response_id] = _kept(answer)
    return sorted(found.values(), key=lambda answer: (answer.submitted_at, answer.response_id))


def latest(ledger: Sequence[ReviewAnswer]) -> list[ReviewAnswer]:
    """What each reviewer last said of each record, whatever its status, in order of submission.

    A backend that was moved may give old responses new ids: one person has one say on one record.
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


JUDGED: frozenset[ReviewKind] = frozenset({"answers", "drifted_slice"})
"""Kinds in which one answer of a model is rated and corrected."""

FIT, LEAVE_OUT = "fit", "leave_out"
"""What a person says of a training row, among an answer's labels: keep, mend or leave_out."""

Key = tuple[str, str]
"""Review set and item id: what one record is called."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One record: what each person submitted of it, in order of submission, and who could not judge it."""

    review_set: str
    item_id: str
    kind: ReviewKind
    answers: tuple[ReviewAnswer, ...]
    discarded: tuple[ReviewAnswer, ...]

    @property
    def key(self) -> Key:
        return self.review_set, self.item_id

    @property
    def shown(self) -> ReviewAnswer:
        """Any response, for what all of them share: prompt, answers, models."""
        return (self.answers or self.discarded)[-1]


def reviewed_records(ledger: Sequence[ReviewAnswer]) -> list[Reviewed]:
    """Every record that somebody has dealt with, in order of set and item. Drafts count for nothing."""
    standing = [answer for answer in latest(ledger) if answer.status != "draft"]
    by_record = sorted(standing, key=_key)  # stable: within a record still in order of submission
    return [_reviewed(list(said)) for _, said in groupby(by_record, key=_key)]


def red_team_prompts(ledger: Iterable[ReviewAnswer]) -> set[str]:
    """Hashes of the prompts of the red-team suite, which is a test: nothing may ever be learned from them."""
    return {prompt_hash(answer.prompt) for answer in ledger if answer.kind == "red_team"}


def is_left_out(answer: ReviewAnswer) -> bool:
    """Whether this person wants a training row left out."""
    return answer.labels.get(FIT) == LEAVE_OUT


def _key(answer: ReviewAnswer) -> Key:
    return answer.review_set, answer.item_id


def _reviewed(said: list[ReviewAnswer]) -> Reviewed:
    submitted = tuple(answer for answer in said if answer.status == "submitted")
    discarded = tuple(answer for answer in said if answer.status == "discarded")
    first = said[0]
    return Reviewed(first.review_set, first.item_id, first.kind, submitted, discarded)
