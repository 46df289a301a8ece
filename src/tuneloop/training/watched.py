"""What every trainer here does besides training: `Watched` goes in front of any of TRL's trainers."""

from __future__ import annotations

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from trl import SFTTrainer

from tuneloop.chat import IGNORED
from tuneloop.training.keeping import beside, prune, written_whole
from tuneloop.training.progress import LossWatch

Batch = dict[str, Any]


class Watched:
    """Counts tokens and seconds, stops a run that has gone wrong, writes checkpoints whole or not at all, and on a CPU
    trains float32 adapters.

    TRL makes the adapters of a quantised model bf16, which cannot hold the optimiser's small steps, and in which a
    resumed run is not the same run. It does so in its constructor and PEFT again when a checkpoint is read.
    """

    tokens_seen = 0
    seconds_stepping = 0.0

    args: Any
    model: Any
    state: Any
    control: Any
    optimizer: Any
    accelerator: Any
    current_gradient_accumulation_steps: int
    _writing_into: Path | None = None

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
        self._watch.see(self.state.global_step, float(loss) * self.loss_scale(inputs, num_items_in_batch))
        self.tokens_seen += self.tokens_of(inputs)
        self.seconds_stepping += time.perf_counter() - start
        return loss

    def step(self, model: Any, inputs: Batch, num_items_in_batch: Any) -> torch.Tensor:
        """Forward and backward of one batch; the gradients are added to the parameters'."""
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]
        return loss

    def tokens_of(self, inputs: Batch) -> int:
        """Tokens of a batch that the model reads, padding left out: of every input that holds token ids."""
        count = 0
        for name, ids in inputs.items():
            if name.endswith("input_ids"):
                mask = inputs.get(name.removesuffix("input_ids") + "attention_mask")
                count += int(ids.numel() if mask is None else mask.sum())
        return count

    def loss_scale(self, inputs: Batch, num_items_in_batch: Any) -> float:
        """What makes a step's loss a mean over its own batch again.

        Where the trainer counts labels, the loss is the batch's share of the accumulated step, times the number of
        processes; elsewhere it is the batch's mean divided by the batches of the step.
        """
        if num_items_in_batch is None or "labels" not in inputs:
            return float(self.current_gradient_accumulation_steps)
        labelled = int((inputs["labels"] != IGNORED).sum())
        counted = float(torch.as_tensor(num_items_in_batch).max())
        return counted / (max(labelled, 1) * int(self.accelerator.num_processes))

    def _run_epoch(self, **rest: Any) -> None:
        """A run that goes on at its last step has nothing left to do; transformers would train one step more."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(**rest)  # type: ignore[misc]
        else:
            self.control.should_training_stop = True

    def _get_output_dir(self, trial: Any) -> str:
        into = self._writing_into
        return str(into) if into is not None else str(super()._get_output_dir(trial))  # type: ignore[misc]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """As transformers does it, but in a folder that gets its name when it is whole."""
        checkpoints = Path(self.args.output_dir)
        folder = checkpoints / f"checkpoint-{self.state.global_step}"
        is_writer = self.args.should_save  # the other processes put their random state, or their shards, in its folder
        with (
            written_whole(folder, self._checkpoint_bytes()) if is_writer else nullcontext(beside(folder)) as unfinished
        ):
            self.accelerator.wait_for_everyone()
            self._writing_into = unfinished.parent
            try:
                super()._save_checkpoint(model, trial)  # type: ignore[misc]
            finally:
                self._writing_into = None
            self.accelerator.wait_for_everyone()
        if is_writer:
            prune(checkpoints, self.args.save_total_limit)
        self.accelerator.wait_for_everyone()

    def _checkpoint_bytes(self) -> int:
        """What is trained, and the optimiser's notes on it; the base's weights are never in a checkpoint."""
        notes = [note for notes in self.optimizer.state.values() for note in notes.values() if torch.is_tensor(note)]
        return sum(t.nbytes for t in (*(p for p in self.model.parameters() if p.requires_grad), *notes))


class WatchedTrainer(Watched, SFTTrainer):  # type: ignore[misc]
    """Supervised fine-tuning by TRL's own step."""
