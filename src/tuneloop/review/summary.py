"""All that is known of a recipe's review, in numbers: what the review report and `tuneloop review status` show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from tuneloop.ports import ReviewAnswer, SetProgress
from tuneloop.results import (
    JudgeAgreement,
    Metric,
    QuestionAgreement,
    ReviewerSummary,
    ReviewSummary,
    SetAside,
    SetSummary,
)
from tuneloop.review.agreement import agreement_by_question, main_agreement
from tuneloop.review.collecting import Examined
from tuneloop.review.judging import Judgement
from tuneloop.review.ledger import Reviewed
from tuneloop.review.quality import Observed, mean_rating, quality_by_model
from tuneloop.review.timing import Timing, timings

NO_REASON = "no reason given"


def summarise(
    recipe: str,
    found: Examined,
    progress: Sequence[SetProgress],
    *,
    made_at: str,
    rows: Mapping[str, int],
    accepted: int,
    set_aside: SetAside | None,
    judge: JudgeAgreement | None,
    unpublished: int = 0,
) -> ReviewSummary:
    """Put it together.

    Args:
        recipe: its name.
        found: the ledger, examined.
        progress: of all its sets, as the backend tells it; may be empty.
        made_at: ISO 8601.
        rows: file of the feedback folder -> rows in it.
        accepted: answers that were edited in production.
        set_aside: what the data checks made of people's rows.
        judge: how far the judge agrees with people; None: there is none, or it was never tried.
        unpublished: conflicts that no adjudicator can see yet.
    """
    sets = _sets(found, progress)
    discarded = [answer for answer in found.ledger if answer.status == "discarded"]
    submitted = [answer for answer in found.ledger if answer.status == "submitted"]
    summary = ReviewSummary(
        recipe=recipe,
        made_at=made_at,
        sets=sets,
        agreement=[QuestionAgreement(**asdict(alpha)) for alpha in agreement_by_question(_judged_records(found))],
        reviewers=_reviewers(found),
        quality=quality_by_model(found.judgements),
        conflicts=dict(Counter(kind for judgement in found.waiting for kind in judgement.conflicts).most_common()),
        conflicts_waiting=len(found.waiting),
        conflicts_decided=len(found.decisions),
        unusable=dict(Counter(j.unusable for j in found.judgements if j.unusable).most_common()),
        discards=dict(Counter(reason for a in discarded for reason in a.issues or (NO_REASON,)).most_common()),
        issues=dict(Counter(issue for answer in submitted for issue in answer.issues).most_common()),
        rows=dict(rows),
        accepted=accepted,
        set_aside=set_aside,
        judge=judge,
        waits=[],
    )
    return summary.model_copy(update={"waits": _waits(summary, unpublished)})


def _judged_records(found: Examined) -> list[Reviewed]:
    """Those that tell how far people agree: gold items are too clear for that, and an adjudicator stands alone."""
    return [r for r in found.records if r.kind != "adjudication" and r.key not in found.gold]


def _sets(found: Examined, progress: Sequence[SetProgress]) -> list[SetSummary]:
    """The backend's sets in its order, then those that only the ledger knows."""
    told = {each.review_set: each for each in progress}
    said, judgements, records = defaultdict(list), defaultdict(list), defaultdict(list)
    for answer in found.ledger:
        said[answer.review_set].append(answer)
    for judgement in found.judgements:
        judgements[judgement.record.review_set].append(judgement)
    for record in _judged_records(found):
        records[record.review_set].append(record)
    names = [*told, *(name for name in said if name not in told)]
    return [_set(name, told.get(name), said[name], judgements[name], records[name]) for name in names]


def _set(
    name: str,
    told: SetProgress | None,
    said: Sequence[ReviewAnswer],
    judgements: Sequence[Judgement],
    records: Sequence[Reviewed],
) -> SetSummary:
    statuses = Counter(answer.status for answer in said)
    return SetSummary(
        review_set=name,
        kind=told.kind if told else said[0].kind,
        url=told.url if told else "",
        records=told.records if told else None,
        completed=told.completed if told else None,
        min_submitted=told.min_submitted if told else None,
        waiting=dict(told.waiting) if told else {},
        submitted=statuses["submitted"],
        drafts=statuses["draft"],
        discarded=statuses["discarded"],
        conflicts_waiting=sum(bool(judgement.conflicts) for judgement in judgements),
        rating=_rating(judgements),
        agreement=main_agreement(records),
        last_answer=max((answer.submitted_at for answer in said), default=""),
    )


def _rating(judgements: Sequence[Judgement]) -> Metric | None:
    ratings = [judgement.rating for judgement in judgements if judgement.rating is not None]
    return mean_rating(ratings) if ratings else None


def _reviewers(found: Examined) -> list[ReviewerSummary]:
    paces = {timing.reviewer: timing for timing in timings([a for a in found.ledger if a.kind != "adjudication"])}
    return [_reviewer(seen, paces.get(name)) for name, seen in found.observed.items()]


def _reviewer(seen: Observed, timing: Timing | None) -> ReviewerSummary:
    low, high = seen.interval()
    return ReviewerSummary(
        reviewer=seen.reviewer,
        records=seen.records,
        reliability=seen.reliability,
        low=low,
        high=high,
        weight=seen.weight,
        is_doubtful=seen.is_doubtful,
        gold=seen.gold,
        decided=seen.decided,
        peers=seen.peers,
        median_seconds=timing.median_seconds if timing else None,
        seconds=list(timing.seconds) if timing else [],
        pace=timing.pace if timing else None,
    )


def _waits(summary: ReviewSummary, unpublished: int) -> list[str]:
    """Who is waited for, and for what."""
    found = []
    for each in summary.sets:
        left = (each.records or 0) - (each.completed or 0)
        people = [f"{who} ({count})" for who, count in each.waiting.items() if count > 0]
        if left > 0 and each.kind == "adjudication":
            found.append(f"{each.review_set}: {left} conflicts wait for an adjudicator")
        elif left > 0:
            whom = ", ".join(people) or "anybody"
            found.append(f"{each.review_set}: {left} of {each.records} records wait for {whom}")
    if unpublished:
        found.append(f"{unpublished} conflicts are in no adjudication set yet: the next collection publishes them")
    doubtful = [person.reviewer for person in summary.reviewers if person.is_doubtful]
    if doubtful:
        found.append(f"talk to {', '.join(doubtful)}: their answers differ from gold items, decisions or others")
    return found
