"""How the review of a recipe stands: sets, people, agreement, and what became of what they said. Holds no text."""

from __future__ import annotations

from typing import Literal

from tuneloop.results.evaluation import Metric
from tuneloop.results.result import Result


class SetSummary(Result):
    """One review set. `waiting`: pseudonym -> records that wait for this person. Counts of responses by status."""

    review_set: str
    kind: str
    url: str = ""
    records: int | None = None
    """None: the backend does not tell any more, as where the set was deleted there."""
    completed: int | None = None
    min_submitted: int | None = None
    waiting: dict[str, int] = {}
    submitted: int = 0
    drafts: int = 0
    discarded: int = 0
    conflicts_waiting: int = 0
    rating: Metric | None = None
    """Mean over all rated records, which were mostly not drawn at random."""
    agreement: float | None = None
    """Alpha of the set's main question."""
    last_answer: str = ""


class QuestionAgreement(Result):
    """Krippendorff's alpha of one question over all sets; `text` says what it means, or why there is none."""

    question: str
    level: Literal["ordinal", "nominal"]
    alpha: float | None
    low: float | None
    high: float | None
    records: int
    reviewers: int
    text: str


class ReviewerSummary(Result):
    """One person, by pseudonym. The pairs are (right, wrong)."""

    reviewer: str
    records: int
    reliability: float
    low: float
    high: float
    weight: float
    is_doubtful: bool
    gold: tuple[int, int]
    decided: tuple[int, int]
    peers: tuple[float, float]
    median_seconds: float | None
    seconds: list[float] = []
    """Of the records that could be timed, for the picture."""
    pace: Literal["fast", "slow", "usual"] | None


class Quality(Result):
    """How good a model's answers are, by the records that were drawn at random: the mean rating, 1 to 5."""

    model: str
    rating: Metric


class JudgeAgreement(Result):
    """How far a judge agrees with people, as it was last measured."""

    judge: str
    measured_at: str
    kappa: Metric | None
    weighted: Metric | None
    pairs: int
    may_count: bool
    text: str


class SetAside(Result):
    """What the data checks made of people's rows in one data version: rows that came, and rows set aside by reason.

    `withdrawn` and `mended` are rows of other sources that reviewers wanted out or changed.
    """

    version: str
    came: int
    reasons: dict[str, int]
    rows: list[tuple[str, str]]
    """(id, reason) of the first ones."""
    withdrawn: int
    mended: int


class ReviewSummary(Result):
    """All of it, as of `made_at`."""

    recipe: str
    made_at: str
    sets: list[SetSummary]
    agreement: list[QuestionAgreement]
    reviewers: list[ReviewerSummary]
    quality: list[Quality]
    conflicts: dict[str, int]
    """Conflicts that wait for a decision, by kind; a record may have several."""
    conflicts_waiting: int
    conflicts_decided: int
    unusable: dict[str, int]
    discards: dict[str, int]
    """Discarded answers by the reason that was given."""
    issues: dict[str, int]
    rows: dict[str, int]
    """File of the feedback folder -> rows in it."""
    accepted: int
    """Answers that were edited in production."""
    set_aside: SetAside | None
    judge: JudgeAgreement | None
    waits: list[str]
    """What somebody has to do, in words."""
