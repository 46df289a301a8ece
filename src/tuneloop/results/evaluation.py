"""What an evaluation and the gate report."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from tuneloop.results.result import Cost, Result


class Metric(Result):
    """A mean over rows with its bootstrap interval."""

    value: float
    low: float
    high: float
    n: int
    lower_is_better: bool = False


class Speed(Result):
    """How fast a model answers on the machine that evaluated it: one prompt at a time, and in batches."""

    first_token_seconds: float
    """Median time to first token, one prompt at a time."""
    first_token_seconds_p95: float
    tokens_per_second_alone: float
    """Median decoding rate of one prompt at a time."""
    tokens_per_second_batched: float
    batch_size: int
    prompts: int
    peak_memory_mib: float
    """Resident memory on a CPU, allocated device memory on a GPU."""
    device: str


class EvaluationReport(Result):
    """One model on one test set.

    `scores` is a Parquet file with one row per test row: id, cluster, one column per metric and `loss`, and one column
    per entry of `evaluation.slices` that holds the row's values, joined by `|`. Each suite has a file SUITE.parquet
    beside it, with id, cluster, category and its metrics.
    """

    model: str
    model_hash: str
    data_version: str
    metrics: dict[str, Metric]
    suites: dict[str, dict[str, Metric]] = {}
    """Suite (forgetting, red_team, bias_pairs, lm_eval, judge, people) -> its metrics."""
    slices: dict[str, dict[str, Metric]] = {}
    """`label:category=delivery` -> metrics of the test rows in that slice."""
    categories: dict[str, dict[str, Metric]] = {}
    """`red_team=jailbreak` -> metrics of the suite's items in that category."""
    unmeasured: dict[str, str] = {}
    """Suite -> why it could not be measured."""
    speed: Speed | None = None
    scores: str
    answers: str
    """JSONL of id, prompt, answer, expected: private to the workspace, never an artifact."""
    tokens_per_second: float
    cut_off: int = 0
    """Answers that ran into `max_new_tokens`."""
    prompt_format: str = ""
    """Hash of how the chat template and the system prompt turn a fixed conversation into tokens."""
    artefact: str = "merged"
    cost: Cost

    @property
    def everything(self) -> dict[str, Metric]:
        """All metrics by name: those of the test rows, then those of the suites."""
        found = dict(self.metrics)
        for metrics in self.suites.values():
            found |= metrics
        return found

    @model_validator(mode="before")
    @classmethod
    def _before_suites(cls, content: Any) -> Any:
        """Reports of 0.1 had the forgetting suite under `probes`."""
        if isinstance(content, dict) and "probes" in content:
            rest = {name: value for name, value in content.items() if name != "probes"}
            return rest | ({"suites": {"forgetting": content["probes"]}} if content["probes"] else {})
        return content


class Reason(Result):
    """A rule or a check of the gate, and what came of it.

    The numbers are there where something was measured. `change` and its bounds are candidate minus reference, for an
    absolute rule the candidate's own score; where lower is better they are not turned round, nor is `threshold`.
    """

    rule: str
    passed: bool
    text: str
    decisive: bool = True
    """False: shown, but the decision hangs on another reason, as where any of several gains is enough."""
    is_open: bool = False
    """Nobody can say yet; a person has to decide or to review first."""
    metric: str | None = None
    kind: str | None = None
    against: str | None = None
    slice: str | None = None
    candidate: float | None = None
    reference: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    p_value: float | None = None
    rows: int | None = None
    clusters: int | None = None


class Opinion(Result):
    """What somebody other than the metrics thinks of the candidate: a judge, or the people who reviewed.

    `file` is a Parquet file: id, cluster, score, and score_reference where the same item of the reference was scored.
    """

    metric: Literal["judge_preference", "human_preference", "human_rating"]
    against: Literal["base", "champion"]
    """Whom `score_reference` belongs to."""
    file: str
    may_count: bool = True
    """False for a judge that has not been shown to agree with people; it is then shown, and no rule can pass by it."""
    text: str = ""
    """Why it may or may not count, for people."""
    agreement: Metric | None = None
    """Cohen's kappa of the judge with people."""


class Verdict(Result):
    """May the candidate take over? `decision` follows from the reasons alone."""

    decision: Literal["promote", "reject", "needs_review"]
    reasons: list[Reason]
    candidate_hash: str
    champion_hash: str | None
