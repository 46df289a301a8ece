"""A response as the backend gives it, with everything but what a test is about filled in."""

from dataclasses import replace

from tuneloop.ports import ReviewAnswer

PLAIN = ReviewAnswer(
    response_id="r1",
    item_id="i1",
    review_set="desk-round-1",
    reviewer="reviewer-a",
    submitted_at="2026-11-01T10:00:00+00:00",
    prompt="Where is my lamp?",
    answer="No idea.",
    model="abc",
    rating=2,
    issues=("voice",),
    correction="We are tracing it.",
)


def said(**changes) -> ReviewAnswer:
    return replace(PLAIN, **changes)
