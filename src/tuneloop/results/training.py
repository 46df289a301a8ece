"""What a training run reports."""

from __future__ import annotations

from typing import Literal

from tuneloop.results.result import Cost, Result


class LossPoint(Result):
    step: int
    epoch: float
    train_loss: float | None = None
    eval_loss: float | None = None


class TrainingWarning(Result):
    """Something a run's losses or gradients show that a person should know, with what to do about it."""

    kind: Literal["diverging", "overfitting", "exploding_gradients", "not_learning", "stopped_early"]
    step: int
    text: str


class Estimate(Result):
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


class TrainingReport(Result):
    """One trained artefact. `adapter` and `model` are folders; `model` (merged) is what is evaluated and served."""

    adapter: str
    model: str
    model_hash: str
    adapter_hash: str = ""
    """Over all files of the adapter's folder; "" in reports from before it was kept."""
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
    """Kullback-Leibler divergence of the merged model from base plus adapter, in nats per token: rounding to bf16."""
    merge_agreement: float | None = None
    """Share of the probes' positions at which both find the same next token likeliest."""
    merge_learned: float | None = None
    """The same divergence of the base without the adapter: what the adapter changed."""
    chosen: dict[str, str] = {}
    """What every `auto` became: optimiser, attention, base weights, threads, device..."""
    rows: int = 0
    """Training examples that were learned from."""
    rows_left_out: int = 0
    """Examples longer than the recipe's `max_tokens`, in training and validation; never cut."""
    objective: str = "sft"
    prompt_format: str = ""
    """Hash of how chat template and system prompt turn a fixed conversation into tokens, as it was trained on."""
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

    @property
    def merge_rounding_share(self) -> float | None:
        """How much rounding changed predictions, as a share of what the adapter changed; None: not merged, or an
        adapter that changed nothing."""
        return self.merge_divergence / self.merge_learned if self.merge_divergence and self.merge_learned else None
