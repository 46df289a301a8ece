"""What every trainer here does besides training: `Watched` goes in front of any of TRL's trainers."""

from __future__ import annotations

import time
from typing import Any

import torch
from trl import SFTTrainer

from tuneloop.chat import IGNORED
from tuneloop.training.progress import LossWatch

Batch = dict[str, Any]


class Watched:
    """Counts tokens and seconds, stops a run that has gone wrong, and on a CPU trains float32 adapters.

    TRL makes the adapters of a quantised model bf16, which cannot hold the optimiser's small steps, and in which a
    resumed run is not the same run. It does so in its constructor and PEFT again when a checkpoint is read.
    """

    tokens_seen = 0
    seconds_stepping = 0.0

    args: Any
    model: Any
    state: Any

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._watch = LossWatch()
        self._widen_adapters()

    def _load_from_checkpoint(self, *args: Any, **rest: Any) -> None:
        super()._load_from_checkpoint(*args, **rest)  # type: ignore[misc]
        self._widen_adapters()

    def _widen_adapters(self) -> None:
        for parameter in self.model.parameters():
            if parameter.requires_grad and self.args.use_cpu:
                parameter.data = parameter.data.to(torch.float32)

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> torch.Tensor:
        start = time.perf_counter()
        loss = self.step(model, inputs, num_items_in_batch)
        self._watch.see(self.state.global_step, float(loss) * self._loss_scale(inputs, num_items_in_batch))
        self.tokens_seen += int(
            inputs["attention_mask"].sum() if "attention_mask" in inputs else inputs["input_ids"].numel()
        )
        self.seconds_stepping += time.perf_counter() - start
        return loss

    def step(self, model: Any, inputs: Batch, num_items_in_batch: Any) -> torch.Tensor:
        """Forward and backward of one batch; the gradients are added to the parameters'."""
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]
        return loss

    def _loss_scale(self, inputs: Batch, num_items_in_batch: Any) -> float:
        """A batch's loss is its share of the accumulated step's; this makes it a mean over its own tokens again."""
        labelled = int((inputs["labels"] != IGNORED).sum())
        return float(num_items_in_batch) / max(labelled, 1) if num_items_in_batch is not None else 1.0


class WatchedTrainer(Watched, SFTTrainer):  # type: ignore[misc]
    """Supervised fine-tuning by TRL's own step."""
