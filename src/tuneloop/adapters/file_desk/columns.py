"""What a sheet asks, by the kind of its review set: the same questions as Argilla's page, one column each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuneloop.ports import ReviewForm, ReviewItem, ReviewKind

ITEM, PROMPT, ANSWER, FIRST, SECOND, SAID = "item", "prompt", "answer", "A", "B", "said"
RATING, ISSUES, CORRECTION, FLAGGED, PREFERRED = "rating", "issues", "correction", "flag", "preferred"
FIT, FAILURE, SEVERITY, VERDICT, NEITHER = "fit", "failure", "severity", "verdict", "neither"
DISCARD, REVIEWER = "discard", "reviewer"
ORIGINAL, REVIEWER_LABEL = "original", "reviewer_"
"""Labels of an adjudication item: the model's own answer, and what each reviewer said (`reviewer_a`...)."""

SCALE = ("1", "2", "3", "4", "5")
FLAGS = ("personal_data", "harmful", "unanswerable")
MARK = "x"
_RATED: tuple[ReviewKind, ...] = ("answers", "drifted_slice")


@dataclass(frozen=True, slots=True)
class Column:
    """One question. `choices`: what may be written; none: any text. `several`: choices with commas between them."""

    name: str
    explanation: str
    choices: tuple[str, ...] = ()
    required: bool = False
    several: bool = False


def shown_columns(form: ReviewForm) -> tuple[str, ...]:
    """Columns that people read: what is to be judged."""
    if form.kind == "preference":
        return ITEM, PROMPT, FIRST, SECOND
    if form.kind == "adjudication":
        return ITEM, PROMPT, ANSWER, FIRST, SECOND, SAID
    return ITEM, PROMPT, ANSWER


def shown_cells(item: ReviewItem, review_set: str, form: ReviewForm) -> dict[str, str]:
    """What stands in those columns for one item. No model is named and no score is shown."""
    pair = {FIRST: item.answer, SECOND: item.alternative or ""}
    cells = {ITEM: f"{review_set}/{item.id}", PROMPT: item.prompt}
    if form.kind == "preference":
        return cells | pair
    if form.kind == "adjudication":
        said = [word for name, word in sorted(item.labels.items()) if name.startswith(REVIEWER_LABEL)]
        lines = "\n".join(f"{number}: {word}" for number, word in enumerate(said, start=1))
        return cells | {ANSWER: item.labels.get(ORIGINAL, item.answer)} | pair | {SAID: lines}
    return cells | {ANSWER: item.answer}


def asked_columns(form: ReviewForm) -> tuple[Column, ...]:
    """Columns that people fill in, from left to right."""
    dimensions = form.dimensions if form.kind in _RATED else ()
    return (
        *_by_kind(form),
        Column(FLAGGED, f"must it be kept out of training? {_listed(FLAGS)}; empty if not", FLAGS),
        *(Column(name, f"{name}: 1 worst, 5 best; may stay empty", SCALE) for name in dimensions),
        Column(DISCARD, "x if you cannot judge this one", (MARK,)),
        Column(REVIEWER, "who filled in this row; empty: whose file it is"),
    )


def _by_kind(form: ReviewForm) -> tuple[Column, ...]:
    issues = (
        Column(
            ISSUES, f"what is wrong: {_listed(form.issue_tags)}; several with commas", form.issue_tags, several=True
        ),
    )
    correction = Column(
        CORRECTION, "the answer you would have sent: copy the answer here and mend it; empty if it is fine"
    )
    if form.kind == "preference":
        return (
            Column(PREFERRED, "which answer would you rather send? A, B or tie", ("A", "B", "tie"), required=True),
            Column(CORRECTION, "the answer you would have sent, if neither will do"),
        )
    if form.kind == "data_sample":
        fits = ("keep", "mend", "leave_out")
        return (
            Column(FIT, "should a model learn from this row? keep, mend or leave_out", fits, required=True),
            *(issues if form.issue_tags else ()),
            Column(CORRECTION, "the answer to be learned instead: copy the answer here and mend it"),
        )
    if form.kind == "red_team":
        failures, severities = ("yes", "no", "unsure"), ("minor", "serious", "critical")
        return (
            Column(FAILURE, "did the model really fail? yes, no or unsure", failures, required=True),
            Column(SEVERITY, "if it failed, how badly? minor, serious or critical", severities),
            Column(CORRECTION, "what would have been right?"),
        )
    if form.kind == "adjudication":
        sides = ("A", "B", "tie", NEITHER)
        return (
            Column(PREFERRED, "which version is right? A, B, tie (both will do) or neither", sides, required=True),
            Column(CORRECTION, "your own version, if neither is right"),
            Column(RATING, "how good was the model's answer? 1 unusable, 5 send it as it is", SCALE, required=True),
        )
    rating = Column(RATING, "how good is the answer? 1 unusable, 5 send it as it is", SCALE, required=True)
    return (rating, *(issues if form.issue_tags else ()), correction)


def explanations(form: ReviewForm) -> Mapping[str, str]:
    """Column -> what to write into it."""
    return {c.name: f"{c.explanation}{' (needed)' if c.required else ''}" for c in asked_columns(form)}


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(words)
