"""What each step of the loop reports: small, serialisable, free of any row's text."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Cost(_Result):
    """Wall-clock seconds and the process's peak resident memory in MiB while the step ran."""

    seconds: float
    peak_rss_mib: float


class Step(_Result):
    """One step of the data's way: how many rows came out of it, and how many it took out or changed, by reason."""

    name: str
    rows_out: int
    removed: dict[str, int] = {}
    changed: dict[str, int] = {}


class Example(_Result):
    """A row shown to people. `text` is masked by `tuneloop.data.masking.shown`: safe to read for anybody."""

    id: str
    source: str
    line: int
    text: str
    related: str | None = None


class Check(_Result):
    """One expectation and what came of it. `severity` says what happens to rows that do not meet it."""

    suite: str
    expectation: str
    reason: str
    column: str | None
    severity: Literal["block", "quarantine", "warn"]
    success: bool
    count: int
    examples: list[Example] = []


class Cluster(_Result):
    """Near-copies of each other: the row that stayed, and the others."""

    size: int
    kept: Example | None
    removed: list[Example]


class Slice(_Result):
    """Training rows that share a value of `by`. Tokens are means per example; `excess` is how far the share of answers
    of each label lies from that of all rows (total variation distance, 0 to 1; None without labels)."""

    by: str
    value: str
    rows: int
    share: float
    prompt_words: float
    answer_words: float
    flagged_share: float
    """Of the rows of this slice that came in, the share that checks set aside."""
    excess: float | None = None


class Origin(_Result):
    """A source as it was read: `sha256` of the file, "" for what has no file."""

    name: str
    path: str
    rows: int
    sha256: str = ""


class DataManifest(_Result):
    """All that is known of a data version; manifest.json in its folder. Holds no text but masked examples."""

    version: str
    recipe: str
    created_at: str
    parents: list[str]
    tuneloop: str
    commit: str | None
    """Git commit of the project, where it is a checkout."""
    config: dict[str, Any]
    columns: dict[str, str]
    """Schema of the Parquet files: column -> type."""
    sources: list[Origin]
    review_rows: int
    """Rows that people's reviews and edits became."""
    rows_in: int
    rows_quarantined: int
    rows_unused: int
    rows_synthetic: int = 0
    rows: dict[str, int]
    reasons: dict[str, int]
    steps: list[Step]
    checks: list[Check]
    clusters: list[Cluster] = []
    lengths: dict[str, list[int]] = {}
    """Split -> tokens per example, of a sample of the rows."""
    slices: list[Slice] = []
    synthetic: dict[str, float] = {}
    """What is known of the synthetic rows: tried and kept by method, fidelity, diversity."""


class DataReport(_Result):
    """One data version. `folder` holds {train,validation,test}.parquet, quarantine.jsonl and manifest.json."""

    version: str
    folder: str
    rows_in: int
    rows_quarantined: int
    rows_train: int
    rows_validation: int
    rows_test: int
    rows_unused: int = 0
    """Sound rows beyond the recipe's `max_train_rows` / `max_validation_rows` or its balance."""
    rows_synthetic: int = 0
    """Training rows that were made from others; rows_in + rows_synthetic is the sum of the five counts above."""
    page: str = ""
    """The report as an HTML file."""
    reasons: dict[str, int]
    sources: dict[str, int]
    lengths: dict[str, list[int]] = {}
    """Split -> tokens per example (a histogram's raw material, no text)."""
    cost: Cost


class LossPoint(_Result):
    step: int
    epoch: float
    train_loss: float | None = None
    eval_loss: float | None = None


class TrainingWarning(_Result):
    """Something a run's losses or gradients show that a person should know, with what to do about it."""

    kind: Literal["diverging", "overfitting", "exploding_gradients", "not_learning", "stopped_early"]
    step: int
    text: str


class Estimate(_Result):
    """What a run will need, from the model's configuration alone. Bytes, seconds, and the currency of the price."""

    parameters: int
    trainable_parameters: int
    memory_bytes: dict[str, float]
    """Part (weights, adapters, optimiser, activations, logits, runtime...) -> bytes; the sum is the peak."""
    seconds: float
    cost: float | None = None
    hardware: str
    assumptions: dict[str, str] = {}

    @property
    def peak_bytes(self) -> float:
        return sum(self.memory_bytes.values())


class TrainingReport(_Result):
    """One trained artefact. `adapter` and `model` are folders; `model` (merged) is what is evaluated and served."""

    adapter: str
    model: str
    model_hash: str
    base_hash: str
    data_version: str
    quantised_layers: int
    trainable_parameters: int
    total_parameters: int
    steps: int
    resumed_from_step: int = 0
    tokens_per_second: float
    train_loss: float
    eval_loss: float | None
    losses: list[LossPoint]
    merge_max_logit_difference: float | None = None
    merge_divergence: float | None = None
    """Kullback-Leibler divergence of the merged model from base plus adapter, in nats per token."""
    merge_agreement: float | None = None
    """Share of the probes' positions at which both find the same next token likeliest."""
    chosen: dict[str, str] = {}
    """What every `auto` became: optimiser, attention, base weights, threads, device..."""
    rows: int = 0
    """Training examples that were learned from."""
    rows_left_out: int = 0
    """Examples longer than the recipe's `max_tokens`, in training and validation; never cut."""
    objective: str = "sft"
    start: str = "base"
    """`base`, or the hash of the model whose adapters were trained on."""
    kept_step: int | None = None
    """The step whose weights were kept; None: the last."""
    warnings: list[TrainingWarning] = []
    measures: dict[str, float] = {}
    """Last value of what the objective measures besides loss, such as the share of pairs ranked rightly."""
    estimate: Estimate | None = None
    """What was foreseen; `cost` is what came."""
    cost: Cost


class Metric(_Result):
    """A mean over rows with its bootstrap interval."""

    value: float
    low: float
    high: float
    n: int


class EvaluationReport(_Result):
    """One model on one test set. `scores` is a Parquet file: one row per test row: id, cluster, metrics."""

    model: str
    model_hash: str
    data_version: str
    metrics: dict[str, Metric]
    probes: dict[str, Metric] = {}
    scores: str
    answers: str
    """JSONL of id, prompt, answer, expected: private to the workspace, never an artifact."""
    tokens_per_second: float
    cost: Cost


class Reason(_Result):
    rule: str
    passed: bool
    text: str


class Verdict(_Result):
    decision: Literal["promote", "reject", "needs_review"]
    reasons: list[Reason]
    candidate_hash: str
    champion_hash: str | None


class ReviewReport(_Result):
    review_set: str
    url: str
    records: int


class FeedbackReport(_Result):
    """What collecting brought: how many responses are known, how many were new, and the rows they became."""

    responses: int
    new_responses: int
    corrections: int
    preference_pairs: int
    mean_rating: float | None
    issues: dict[str, int]
    folder: str


class DriftReport(_Result):
    status: Literal["no_traffic", "no_drift", "drift", "cooling_down"]
    window_rows: int
    reference_rows: int
    p_value: float | None = None
    effect: float | None = None
    nearest_terms: list[str] = []
    window_id: str | None = None


class Round(_Result):
    """One turn of the loop, as it is kept in the workspace and shown by `tuneloop report`."""

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
    base: EvaluationReport
    champion: EvaluationReport | None
    candidate: EvaluationReport
    verdict: Verdict
    model_version: str | None = None
    mlflow_run_id: str | None = None
    review: ReviewReport | None = None
