"""The weights with the lowest validation loss: kept beside the checkpoints, put back when training ends.

Only what trains is kept (an adapter is a few megabytes), in one safetensors file that is written whole or not at all
and names its step and loss itself. Nothing else has to be remembered: a run that was killed and goes on measures the
same losses again, finds them no lower than the file's, and ends with the same step's weights.

transformers' `load_best_model_at_end` would need a checkpoint with optimiser state at every evaluation.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from tuneloop.training.keeping import beside, telling_when_full

log = logging.getLogger(__name__)
FILE = "best.safetensors"


class BestWeights(TrainerCallback):  # type: ignore[misc]
    """Keeps the trainable weights at each evaluation that is lower than all before; the model ends with those.

    `kept_step` is their step, None before the first evaluation. Weights have their own shape and dtype.

    Raises:
        TrainingError: the disk is full; the checkpoints are not touched.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    @property
    def kept_step(self) -> int | None:
        kept = self._kept()
        return int(kept["step"]) if kept else None

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **rest: Any) -> None:
        loss = float((logs or {}).get("eval_loss", math.inf))
        kept = self._kept()
        lowest = float(kept["loss"]) if kept else math.inf
        if loss < lowest and state.is_world_process_zero:
            self._keep(rest["model"], state.global_step, loss)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **rest: Any) -> None:
        kept = self._kept()
        if kept is None:
            return
        from safetensors.torch import load_file

        weights = load_file(self._file)
        for name, parameter in _trainable(rest["model"]).items():
            parameter.data.copy_(weights[name])
        log.info("kept the weights of step %s, validation loss %.4f", kept["step"], float(kept["loss"]))

    def _keep(self, model: Any, step: int, loss: float) -> None:
        from safetensors.torch import save_file

        weights = {name: parameter.detach().contiguous() for name, parameter in _trainable(model).items()}
        unfinished = beside(self._file)
        with telling_when_full(self._file, sum(weight.nbytes for weight in weights.values())):
            try:
                unfinished.parent.mkdir(parents=True, exist_ok=True)
                save_file(weights, unfinished, metadata={"step": str(step), "loss": repr(loss)})
                with unfinished.open("rb+") as file:
                    os.fsync(file.fileno())
                unfinished.replace(self._file)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise

    def _kept(self) -> Mapping[str, str] | None:
        from safetensors import safe_open

        if not self._file.is_file():
            return None
        with safe_open(self._file, "pt") as file:
            kept: Mapping[str, str] = file.metadata()
        return kept


def _trainable(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
