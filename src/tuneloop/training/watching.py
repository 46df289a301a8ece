"""What is seen of a run and what it leads to: evaluations, warnings, the weights that are kept, an early end.

All of it hangs on the losses that the trainer logs, whichever trainer it is, and on the history of them that every
checkpoint holds: a run that was killed and goes on sees, says and keeps what an unkilled one does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import LossPoint, TrainingWarning
from tuneloop.training.best_weights import BestWeights
from tuneloop.training.progress import LossReporter, Progress, loss_points
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
