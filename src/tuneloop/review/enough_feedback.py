"""When has enough new feedback come for another cycle of the loop?"""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.ports import SetProgress
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
