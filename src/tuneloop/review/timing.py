"""How long reviews take, and when enough feedback has come for another cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Literal

from tuneloop.ports import ReviewAnswer, SetProgress
from tuneloop.results import FeedbackReport, Round

OPINIONS = {"answers", "preference"}
"""Kinds of sets in which people speak on a candidate."""


def cause_for_a_turn(
    last: Round, feedback: FeedbackReport, progress: Sequence[SetProgress], *, after_answers: int
) -> str | None:
    """Names the cause, None if there is none; a cause that was acted on has the same name when it is asked again.

    There are two: as many new answers as the recipe wants since the last round began, or a round that waits for people
    and has everybody's answers.

    Args:
        last: the newest round.
        feedback: what is known now.
        progress: of all the recipe's review sets.
        after_answers: `review.retrain_after_answers` of the recipe.
    """
    new = feedback.responses - (last.feedback.responses if last.feedback else 0)
    if new >= after_answers:
        return f"round-{last.number}-answers-{new // after_answers}"
    waits = last.complete and last.verdict.decision == "needs_review"
    if waits and new > 0 and _is_reviewed(last, progress):
        return f"round-{last.number}-reviewed"
    return None


def _is_reviewed(round_: Round, progress: Sequence[SetProgress]) -> bool:
    names = {report.review_set for report in round_.reviews if report.kind in OPINIONS}
    sets = [each for each in progress if each.review_set in names]
    return bool(sets) and all(each.completed == each.records for each in sets)


# A record takes a person the time since they last submitted one; after a longer pause, from when the response was first
# saved to when it was submitted, if both are known. An answer that was edited later counts from the one before the
# edit. Times are shown and weigh nothing: a quick person may be a good one.


PAUSE_SECONDS = 30 * 60.0
"""Somebody who submits nothing for so long was doing something else."""
MIN_TIMED = 5
"""Records that have to be timed before a person is compared with the others."""
FAR = 3.0
"""A median this many times that of the others, or this fraction of it, is an outlier."""

Pace = Literal["fast", "slow", "usual"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per record of one person. `pace` is None where nothing can be said: too few records, or nobody else."""

    reviewer: str
    seconds: tuple[float, ...]
    median_seconds: float | None
    pace: Pace | None


def timings(answers: Sequence[ReviewAnswer]) -> list[Timing]:
    """One for each person, by name."""
    seconds = _seconds_by_person(answers)
    medians = {name: median(taken) for name, taken in seconds.items() if len(taken) >= MIN_TIMED}
    return [
        Timing(name, tuple(taken), median(taken) if taken else None, _pace(name, medians))
        for name, taken in sorted(seconds.items())
    ]


def _seconds_by_person(answers: Sequence[ReviewAnswer]) -> dict[str, list[float]]:
    by_person: dict[str, list[ReviewAnswer]] = defaultdict(list)
    for answer in answers:
        if answer.status == "submitted":
            by_person[answer.reviewer].append(answer)
    return {name: _seconds(said) for name, said in by_person.items()}


def _seconds(said: Sequence[ReviewAnswer]) -> list[float]:
    """Of one person, in order of submission. Where no time has passed, or nobody knows how much, there is none: files
    that come in at once say nothing of how long they took."""
    found, before = [], None
    for submitted, started in sorted(filter(None, map(_moments, said))):
        since = PAUSE_SECONDS if before is None else (submitted - before).total_seconds()
        taken = since if since < PAUSE_SECONDS else (submitted - started).total_seconds()
        if 0 < taken < PAUSE_SECONDS:
            found.append(taken)
        before = submitted
    return found


def _moments(answer: ReviewAnswer) -> tuple[datetime, datetime] | None:
    """When the answer was submitted and first saved, in UTC; None where it does not say."""
    try:
        submitted, started = (_utc(time) for time in (answer.submitted_at, answer.started_at or answer.submitted_at))
    except ValueError:
        return None
    return submitted, started


def _utc(time: str) -> datetime:
    moment = datetime.fromisoformat(time)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _pace(name: str, medians: dict[str, float]) -> Pace | None:
    others = [taken for other, taken in medians.items() if other != name]
    if name not in medians or not others:
        return None
    ratio = medians[name] / median(others)
    if ratio >= FAR:
        return "slow"
    return "fast" if ratio <= 1 / FAR else "usual"
