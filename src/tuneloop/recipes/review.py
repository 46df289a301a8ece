"""What people are asked, who they are, and how the answers they see are chosen."""

from __future__ import annotations

import logging
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from tuneloop.recipes.section import Fraction, Section

SetKind = Literal["answers", "preference", "data_sample", "red_team", "drifted_slice"]
"""Sets that the loop publishes: answers to judge and correct; two models' answers side by side; training rows before
they are trained on; red-team failures to triage; answers to the slice of traffic that drifted."""

log = logging.getLogger(__name__)

Dimension = Literal["factuality", "relevance", "coherence", "safety", "adherence"]
Strategy = Literal["uncertain", "disagreement", "low_score", "drifted", "diverse", "random"]
DEFAULT_SAMPLING: dict[Strategy, float] = {"uncertain": 0.25, "disagreement": 0.25, "diverse": 0.25, "random": 0.25}
TextFormat = Literal["plain", "markdown", "chat"]


class Adjudication(Section):
    """When reviewers of one record disagree so much that nothing is learned from it until somebody decides."""

    rating_gap: int = Field(default=2, ge=1, le=4, description="overall ratings this far apart are a conflict")
    correction_similarity: Fraction = Field(
        default=0.5, description="two corrections less alike than this (0 to 1, by characters) are a conflict"
    )
    adjudicators: tuple[str, ...] = Field(
        default=(), description="usernames of those who decide; empty: the server's owners"
    )


class Review(Section):
    """Human review: the loop sends answers to reviewers and learns from their responses."""

    enabled: bool = True
    backend: Literal["argilla", "files"] = Field(
        default="argilla", description="a server with a web page, or JSONL files and spreadsheets to pass around"
    )
    sets: tuple[SetKind, ...] = Field(default=("answers",), description="what each round puts before people")
    prompts: str | None = Field(
        default=None, description="JSONL of new prompts for reviewers; traffic is used otherwise"
    )
    max_records: int = Field(default=24, gt=0, le=10_000, description="budget: records per set and round")
    sampling: dict[Strategy, Fraction] = Field(
        default=DEFAULT_SAMPLING,
        description="shares of the budget by how records are chosen; they sum to 1",
    )
    score: str | None = Field(
        default=None, description="metric whose lowest answers `low_score` picks; one that needs no expected answer"
    )
    min_submitted: int = Field(default=2, ge=1, le=1000, description="answers per record before it counts as reviewed")
    dimensions: tuple[Dimension, ...] = Field(
        default=("factuality", "relevance", "coherence", "safety", "adherence"),
        description="optional ratings from 1 to 5 beside the overall one",
    )
    guidelines: str | None = Field(default=None, description="Markdown file with the house rules")
    issue_tags: tuple[str, ...] = ("wrong_fact", "incomplete", "off_topic", "unsafe", "style")
    text_format: TextFormat = Field(
        default="plain", description="how prompt and answer are shown; plain shows every sign as it is"
    )
    team: str = Field(
        default="tuneloop",
        pattern=r"^[a-z0-9][a-z0-9-]*$",
        max_length=64,
        description="Argilla workspace; only its members see the sets",
    )
    annotators: tuple[str, ...] = Field(
        default=(), description="usernames of the team's members; empty: every user of the server"
    )
    gold: str | None = Field(
        default=None,
        description="JSONL of {prompt, answer, rating} with known ratings, hidden among the others",
    )
    gold_share: Fraction = Field(default=0.1, description="of a set's records, beyond its budget")
    adjudication: Adjudication = Adjudication()
    retrain_after_answers: int = Field(
        default=50,
        gt=0,
        description="new answers since the last round began that start a retraining cycle; "
        "a round that waits for people is judged again as soon as its set is done",
    )
    approval: bool = Field(
        default=False, description="a person must click before a model that passed the gate is promoted"
    )

    @model_validator(mode="before")
    @classmethod
    def _former_keys(cls, values: Any) -> Any:
        """Read keys of the release before this one, with a warning that says what to write."""
        if isinstance(values, dict) and "desk" in values and "backend" not in values:
            log.warning("review.desk is called review.backend now: write `backend: %s`", values["desk"])
            return {**{k: v for k, v in values.items() if k != "desk"}, "backend": values["desk"]}
        return values

    @field_validator("sampling")
    @classmethod
    def _shares_of_one(cls, sampling: dict[Strategy, float]) -> dict[Strategy, float]:
        if abs(sum(sampling.values()) - 1) > 1e-6:  # noqa: PLR2004
            raise ValueError(f"the shares must sum to 1, not to {sum(sampling.values()):g}")
        return sampling

    @model_validator(mode="after")
    def _low_score_needs_a_score(self) -> Review:
        if self.sampling.get("low_score") and self.score is None:
            raise ValueError("sampling by low_score needs `score`, the metric whose lowest answers are picked")
        return self
