"""A review summary with something in each of its parts, for tests of what shows it."""

from __future__ import annotations

from typing import Any

from tuneloop.results import (
    JudgeAgreement,
    Metric,
    Quality,
    QuestionAgreement,
    ReviewerSummary,
    ReviewSummary,
    SetAside,
    SetSummary,
)

RATING = Metric(value=3.5, low=2.9, high=4.1, n=12)


def make_reviewer(name: str = "reviewer-3f9a2c41aa01", **changes: Any) -> ReviewerSummary:
    whole: dict[str, Any] = {
        "reviewer": name,
        "records": 12,
        "reliability": 0.9,
        "low": 0.7,
        "high": 0.98,
        "weight": 1.33,
        "is_doubtful": False,
        "gold": (3, 1),
        "decided": (0, 0),
        "peers": (3.0, 1.0),
        "median_seconds": 45.0,
        "seconds": [30.0, 45.0, 60.0],
        "pace": "usual",
    }
    return ReviewerSummary(**whole | changes)


def make_set(name: str = "desk-round-1", **changes: Any) -> SetSummary:
    whole: dict[str, Any] = {
        "review_set": name,
        "kind": "answers",
        "url": "http://127.0.0.1:6900/dataset/1/annotation-mode",
        "records": 24,
        "completed": 20,
        "min_submitted": 2,
        "waiting": {"reviewer-3f9a2c41aa01": 4},
        "submitted": 40,
        "conflicts_waiting": 1,
        "rating": RATING,
        "agreement": 0.71,
        "last_answer": "2026-11-28T10:00:00+00:00",
    }
    return SetSummary(**whole | changes)


def make_summary(**changes: Any) -> ReviewSummary:
    whole: dict[str, Any] = {
        "recipe": "desk",
        "made_at": "2026-11-29T10:00:00+00:00",
        "sets": [make_set()],
        "agreement": [
            QuestionAgreement(
                question="rating", level="ordinal", alpha=0.71, low=0.5, high=0.85, records=20, reviewers=2, text="good"
            ),
            QuestionAgreement(
                question="safety", level="ordinal", alpha=None, low=None, high=None, records=0, reviewers=1, text="one"
            ),
        ],
        "reviewers": [
            make_reviewer(),
            make_reviewer("reviewer-e0e02c41aa04", weight=0.0, is_doubtful=True, pace="fast", median_seconds=3.0),
        ],
        "quality": [Quality(model="abc123def456", rating=RATING)],
        "conflicts": {"rating_gap": 1},
        "conflicts_waiting": 1,
        "conflicts_decided": 2,
        "unusable": {"conflict": 1},
        "discards": {"off_topic": 1},
        "issues": {"voice": 3},
        "rows": {"corrections.jsonl": 9, "ratings.jsonl": 40},
        "accepted": 5,
        "set_aside": SetAside(
            version="3f9a2c417a01",
            came=14,
            reasons={"personal_data": 2},
            rows=[("review/desk-round-1/i3", "personal_data")],
            withdrawn=1,
            mended=2,
        ),
        "judge": JudgeAgreement(
            judge="judge-7b",
            measured_at="2026-11-28T10:00:00+00:00",
            kappa=Metric(value=0.6, low=0.5, high=0.7, n=80),
            weighted=None,
            pairs=80,
            may_count=True,
            text="The judge counts.",
        ),
        "waits": ["desk-round-1: 4 of 24 records wait for reviewer-3f9a2c41aa01 (4)"],
    }
    return ReviewSummary(**whole | changes)


def empty_summary() -> ReviewSummary:
    nothing: dict[str, Any] = {name: [] for name in ("sets", "agreement", "reviewers", "quality", "waits")}
    nothing |= {name: {} for name in ("conflicts", "unusable", "discards", "issues", "rows")}
    return make_summary(**nothing, conflicts_waiting=0, conflicts_decided=0, set_aside=None, judge=None)
