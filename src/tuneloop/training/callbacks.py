"""Watch a run and act on what is seen: evaluations, warnings, the best weights, an early end.

All of it depends on the losses that the trainer logs, whichever trainer it is, and on the history of them that every
checkpoint holds: a run that was killed and resumes sees, reports and saves what an unkilled one does. `Watched` goes in
front of any of TRL's trainers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer

from tuneloop.chat import IGNORED
from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import LossPoint, TrainingWarning
from tuneloop.training.checkpoints import BestWeights, beside, prune, written_whole
from tuneloop.training.progress import LossReporter, LossWatch, Progress, loss_points
from tuneloop.training.warning_signs import WarningSigns

log = logging.getLogger(__name__)
NEARLY = 1e-6


@dataclass(slots=True)
class Watch:
    """`warnings` in the order they came."""

    warnings: list[TrainingWarning] = field(default_factory=list)
    best: BestWeights | None = None

    @property
    def kept_step(self) -> int | None:
        """Whose weights the model holds after training; None: the last step's."""
        return self.best.kept_step if self.best else None

    def warn(self, warning: TrainingWarning) -> None:
        self.warnings.append(warning)
        log.warning("%s at step %d: %s", warning.kind.replace("_", " "), warning.step, warning.text)


def watch(
    trainer: Any,
    config: Training,
    *,
    has_validation: bool,
    on_progress: Callable[[Progress], None] | None,
    should_stop: Callable[[LossPoint], bool] | None,
) -> Watch:
    """Add what watches a run to any trainer of the transformers family, and return what it will have found.

    The callbacks are asked in this order at every logged loss, so that what is reported is what has been decided.

    Raises:
        TrainingError: `training.tensorboard` without the package.
    """
    checkpoints = Path(trainer.args.output_dir)
    found = Watch()
    trainer.add_callback(Rhythm(config.evaluations_per_epoch if has_validation else 0))
    if has_validation and config.keep == "best" and _has_whole_weights(trainer):
        found.best = BestWeights(checkpoints)
        trainer.add_callback(found.best)
    trainer.add_callback(SignWatcher(found))
    if has_validation and config.early_stopping_patience is not None:
        trainer.add_callback(Patience(config.early_stopping_patience, found))
    if should_stop is not None:
        trainer.add_callback(Stopper(should_stop, found))
    if on_progress is not None:
        trainer.add_callback(LossReporter(on_progress, trainer, found))
    if config.tensorboard:
        trainer.add_callback(_event_files(checkpoints.parent / "tensorboard"))
    return found


class Rhythm(TrainerCallback):  # type: ignore[misc]
    """Evaluates so many times an epoch and at the last step, and logs the loss wherever it evaluates or saves.

    The loss since the last log is not part of a checkpoint: without a log at every save, a resumed run would report
    another loss than an unkilled one.
    """

    def __init__(self, evaluations_per_epoch: int) -> None:
        self._per_epoch = evaluations_per_epoch
        self._epoch = 0.0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._epoch = state.epoch or 0.0

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        passed = int(state.epoch * self._per_epoch + NEARLY) > int(self._epoch * self._per_epoch + NEARLY)
        self._epoch = state.epoch
        is_last = state.global_step >= state.max_steps
        control.should_evaluate = self._per_epoch > 0 and (passed or is_last)
        control.should_log |= control.should_evaluate or control.should_save or is_last


class SignWatcher(TrainerCallback):  # type: ignore[misc]
    """Warns of what the course of the run shows; a resumed run warns again of what it had warned of."""

    def __init__(self, found: Watch) -> None:
        self._found = found

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._signs = WarningSigns(max_steps=state.max_steps, max_grad_norm=args.max_grad_norm)
        self.on_log(args, state, control)

    def on_log(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        for warning in self._signs.see(state.log_history):
            self._found.warn(warning)


class Patience(TrainerCallback):  # type: ignore[misc]
    """Ends the run after so many evaluations without a lower validation loss.

    transformers' EarlyStoppingCallback insists on its own evaluation schedule, which has no "and at the last step".
    """

    def __init__(self, patience: int, found: Watch) -> None:
        self._patience = patience
        self._found = found

    def on_log(self, _args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        losses = [entry["eval_loss"] for entry in state.log_history if "eval_loss" in entry]
        if "eval_loss" not in (logs or {}) or state.global_step >= state.max_steps:
            return
        if len(losses) - 1 - losses.index(min(losses)) >= self._patience:
            _end(control, state, self._found, f"no lower validation loss in the last {self._patience} evaluations")


class Stopper(TrainerCallback):  # type: ignore[misc]
    """Ends the run when `should_stop` says so. In a run of several processes it must say the same in each."""

    def __init__(self, should_stop: Callable[[LossPoint], bool], found: Watch) -> None:
        self._should_stop = should_stop
        self._found = found

    def on_log(self, _args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if any(self._should_stop(point) for point in loss_points([{**(logs or {}), "step": state.global_step}])):
            _end(control, state, self._found, "whoever started the run asked for its end")


def _end(control: Any, state: Any, found: Watch, reason: str) -> None:
    if control.should_training_stop:
        return
    control.should_training_stop = True
    control.should_save = False  # resumed there, transformers would train one step more before it asks us again
    text = f"{reason}; {state.max_steps - state.global_step} of {state.max_steps} steps were left"
    found.warn(TrainingWarning(kind="stopped_early", step=state.global_step, text=text))


def _has_whole_weights(trainer: Any) -> bool:
    """Under FSDP each process holds a part of every weight, and what is kept are the last weights."""
    sharded = bool(getattr(trainer, "is_fsdp_enabled", False) or getattr(trainer, "is_deepspeed_enabled", False))
    if sharded:
        log.warning("training.keep: best is not known to work with sharded weights: the last ones are kept")
    return not sharded


def _event_files(folder: Path) -> Any:
    """Transformers' TensorBoard callback, writing into `folder`."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(
            "training.tensorboard needs the package: pip install tensorboard, or set training.tensorboard: false"
        ) from error
    from transformers.integrations import TensorBoardCallback

    return TensorBoardCallback(SummaryWriter(str(folder)))


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
