"""Preference trainers that do the step themselves, for CPUs.

As in `training.fast.threaded_trainer`, a thread takes some of the batch, without padding, through single-threaded
kernels. What differs is that a loss may look at the whole batch, so the threads first hand over one number per row,
and get back its gradient. The two rows of a pair begin with the same prompt, often with the same first words of an
answer: that is computed once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch

from tuneloop.training.fast.threaded_trainer import keep_freed_memory
from tuneloop.training.preferences.losses import Outcome, dpo_loss, kto_loss, log_probabilities, reward_loss, scores
from tuneloop.training.preferences.pairs import Pair, Row, split_pairs
from tuneloop.training.preferences.watched import WatchedDPOTrainer, WatchedKTOTrainer, WatchedRewardTrainer

if TYPE_CHECKING:
    from datasets import Dataset

Batch = dict[str, Any]


class Threaded(ABC):
    """Goes in front of a watched preference trainer."""

    references: tuple[str, str]

    model: Any
    data_collator: Any
    current_gradient_accumulation_steps: int
    _metrics: dict[str, dict[str, list[float]]]

    def __init__(self, *, threads: int, **rest: Any) -> None:
        keep_freed_memory()
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "shard", initializer=torch.set_num_threads, initargs=(1,))
        super().__init__(**rest)

    def rows(self, batch: Batch) -> list[Row]:
        """The rows of a padded batch: first the first of each pair, then the second of each."""
        return unpadded(batch)

    def values(self, shard: list[Pair]) -> torch.Tensor:
        """A number for each row of a shard's pairs, (rows,), with its history."""
        return log_probabilities(self.model, shard)

    @abstractmethod
    def loss(self, values: torch.Tensor, batch: Batch) -> Outcome:
        """The mean loss of a batch whose rows have these `values`, (pairs, 2), and what is to be logged."""

    def step(self, model: Any, inputs: Batch, _num_items_in_batch: Any) -> torch.Tensor:
        model.train()
        shards = split_pairs(self.rows(inputs), self._threads)
        trained = [p for p in model.parameters() if p.requires_grad]
        values = list(self._pool.map(self.values, shards))
        whole = _in_order(shards, values).requires_grad_()
        loss, measured = self.loss(whole, inputs)
        self._note("train", measured)
        loss = loss / self.current_gradient_accumulation_steps
        (weights,) = torch.autograd.grad(loss, whole)

        def back(shard: list[Pair], of_shard: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return torch.autograd.grad(of_shard, trained, weights[[pair.number for pair in shard]].flatten())

        for gradients in list(self._pool.map(back, shards, values)):
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        return loss.detach()

    def prediction_step(self, _model: Any, inputs: Batch, *_: Any, **__: Any) -> tuple[torch.Tensor, None, None]:
        loss, measured = self.loss(self._measured(inputs), inputs)
        self._note("eval", measured)
        return loss, None, None

    def reference(self, dataset: Dataset, _name: str, batch_size: int) -> dict[str, torch.Tensor]:
        """Columns of log-probabilities of the model as it is, (rows,) each."""
        batches = torch.utils.data.DataLoader(dataset, batch_size=batch_size, collate_fn=self.data_collator)
        values = torch.cat([self._measured(batch) for batch in batches])
        return {name: values[:, i].contiguous() for i, name in enumerate(self.references)}

    def _measured(self, batch: Batch) -> torch.Tensor:
        shards = split_pairs(self.rows(batch), self._threads)
        return _in_order(shards, list(self._pool.map(torch.no_grad()(self.values), shards)))

    def _note(self, mode: str, measured: dict[str, float]) -> None:
        for name, value in measured.items():
            self._metrics[mode][name].append(value)


class ThreadedDPOTrainer(Threaded, WatchedDPOTrainer):
    """Direct preference optimisation."""

    references = ("ref_chosen_logps", "ref_rejected_logps")

    def loss(self, values: torch.Tensor, batch: Batch) -> Outcome:
        return dpo_loss(values, batch, self.beta)


class ThreadedKTOTrainer(Threaded, WatchedKTOTrainer):
    """Kahneman-Tversky optimisation; a pair is an answer and the mismatched answer to the same prompt."""

    references = ("ref_logps", "ref_KL_logps")

    def rows(self, batch: Batch) -> list[Row]:
        return [*unpadded(batch), *unpadded(batch, "KL_")]

    def loss(self, values: torch.Tensor, batch: Batch) -> Outcome:
        return kto_loss(values, batch, self.beta, self.desirable_weight, self.undesirable_weight)


class ThreadedRewardTrainer(Threaded, WatchedRewardTrainer):
    """A model that scores answers."""

    def values(self, shard: list[Pair]) -> torch.Tensor:
        return scores(self.model, shard)

    def loss(self, values: torch.Tensor, batch: Batch) -> Outcome:  # noqa: ARG002 the signature is Threaded's
        return reward_loss(values)


def unpadded(batch: Batch, prefix: str = "") -> list[Row]:
    """The rows of one of TRL's padded batches; without a mask of the answers they start at 0."""
    ids, lengths = batch[f"{prefix}input_ids"], batch[f"{prefix}attention_mask"].sum(1).tolist()
    answers = batch.get(f"{prefix}completion_mask")
    starts = answers.argmax(1).tolist() if answers is not None else [0] * len(lengths)
    return [Row(row[:length], start) for row, length, start in zip(ids, lengths, starts, strict=True)]


def _in_order(shards: Sequence[list[Pair]], values: Sequence[torch.Tensor]) -> torch.Tensor:
    """The shards' numbers without their history, pair by pair as in the batch: (pairs, 2)."""
    whole = values[0].new_empty(sum(map(len, shards)), 2)
    for shard, of_shard in zip(shards, values, strict=True):
        whole[[pair.number for pair in shard]] = of_shard.detach().view(-1, 2)
    return whole
