"""What review, drift watch and a whole cycle of the loop report."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from tuneloop.results.data import DataReport
from tuneloop.results.evaluation import EvaluationReport, Opinion, Verdict
from tuneloop.results.private_test import PrivateReport
from tuneloop.results.result import Result
from tuneloop.results.training import TrainingReport


class ReviewReport(Result):
    """A review set that was put before people."""

    review_set: str
    url: str
    records: int
    kind: str = "answers"
    counts: dict[str, int] = {}
    """What chose the records -> how many of them."""
    notes: list[str] = []
    """Where the set is not what the recipe asks for, and why."""


class FeedbackReport(Result):
    """What collecting brought: how many responses are known, how many were new, and the rows they became.

    `responses` and `new_responses` are submitted ones; `unusable` says of how many records nothing is learned, by
    reason.
    """

    responses: int
    new_responses: int
    drafts: int = 0
    discarded: int = 0
    corrections: int
    preference_pairs: int
    thumbs: int = 0
    comparisons: int = 0
    row_verdicts: int = 0
    triaged: int = 0
    conflicts_waiting: int = 0
    conflicts_decided: int = 0
    unusable: dict[str, int] = {}
    mean_rating: float | None
    issues: dict[str, int]
    folder: str


class DriftReport(Result):
    status: Literal["no_traffic", "no_drift", "drift", "cooling_down"]
    window_rows: int
    reference_rows: int
    p_value: float | None = None
    effect: float | None = None
    nearest_terms: list[str] = []
    window_id: str | None = None
    window_end: str | None = None
    """Traffic id of the window's last row."""


class Approval(Result):
    """A person's word on a model that the gate passed; `by` and `because` are also in the audit trail."""

    flow_run_id: str
    """The run that is suspended until somebody decides."""
    asked_at: str
    asked: int = 1
    """How often that run has asked; only the last question can be answered."""
    decision: Literal["approve", "decline", "unanswered"] | None = None
    """None while the run waits; `unanswered`: it ended (cancelled, or the time was out) without a word."""
    by: str = ""
    because: str = ""
    decided_at: str | None = None


class Round(Result):
    """One cycle of the loop, as it is kept in the workspace and shown by `tuneloop report`."""

    number: int
    recipe: str
    training_key: str
    """Hash of data version, base and training section: equal keys would train the same model again."""
    complete: bool = False
    """Set last, after registering, promoting and publishing; a round that was cut off is taken up where it stopped."""
    trigger: str
    started_at: str
    flow_run_id: str | None
    data: DataReport
    feedback: FeedbackReport | None = None
    training: TrainingReport
    served_path: str = ""
    """Folder of what was judged and would be served; "" in rounds of 0.1: the merged model."""
    base: EvaluationReport
    champion: EvaluationReport | None
    candidate: EvaluationReport
    opinions: list[Opinion] = []
    verdict: Verdict
    folders: dict[str, dict[str, str]] = {}
    """Use of a folder (`served`, `model`, `adapter`) -> name of each file as it was judged -> hex SHA-256; empty in
    rounds from before folders were sealed."""
    folders_seal: str = ""
    """Seals the folders with the workspace's key, see tuneloop.registry.sealed_folders."""
    settings: dict[str, Any] = {}
    """The whole recipe as it was."""
    environment: dict[str, str] = {}
    """Git commit of the project, Python, platform, device, and the versions of the libraries that decide the result."""
    approval: Approval | None = None
    model_version: str | None = None
    mlflow_run_id: str | None = None
    reviews: list[ReviewReport] = []
    private_test: PrivateReport | None = None
    """Means on the private rows; only of a model that was to be promoted, and made after the verdict."""

    @model_validator(mode="before")
    @classmethod
    def _one_review(cls, content: Any) -> Any:
        """Rounds of 0.1 had one review set at most, under `review`."""
        if isinstance(content, dict) and "review" in content:
            rest = {name: value for name, value in content.items() if name != "review"}
            return rest | ({"reviews": [content["review"]]} if content["review"] else {})
        return content
