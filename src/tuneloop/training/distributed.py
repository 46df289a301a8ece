"""Several processes that train one model together, as torchrun and `accelerate launch` start them.

The recipe's batch is the batch of all processes together. Each takes its share of the same rows in the same order, and
gradients are added up, so two processes take the steps that one would take.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from tuneloop.errors import TrainingError, TuneloopError
from tuneloop.recipes import Training

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
LONGEST_WAIT = timedelta(days=2)
"""For work of the first process that the others wait for: merging 70B parameters on a CPU takes hours, not NCCL's ten
minutes. A process that dies ends the wait at once."""


@dataclass(frozen=True, slots=True)
class Processes:
    """A process among those that train; `local_count` of them share this machine. `group` is for long waits."""

    rank: int = 0
    count: int = 1
    local_count: int = 1
    group: Any = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def once(self, make: Callable[[], T]) -> T:
        """What `make` returns: the first process calls it, the others wait and get the same (pickled).

        An error of ours is raised in every process; any other ends the first one, and with it the others' wait.
        """
        if self.count == 1:
            return make()
        from torch.distributed import broadcast_object_list

        outcome: list[Any] = [None]
        if self.is_first:
            try:
                outcome = [make()]
            except TuneloopError as error:
                outcome = [error]
        broadcast_object_list(outcome, src=0, group=self.group)
        if isinstance(outcome[0], TuneloopError):
            raise outcome[0]
        result: T = outcome[0]
        return result


def meet() -> Processes:
    """Join the processes that a launcher has started with this one; alone where there was no launcher.

    Raises:
        TrainingError: FSDP without GPUs.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1 or "LOCAL_RANK" not in os.environ:
        return Processes()
    import torch
    from torch import distributed

    if uses_fsdp() and not torch.cuda.is_available():
        raise TrainingError(
            "FSDP is for GPUs: on a CPU accelerate would train by plain data parallelism and not say so; "
            "start with deployments/accelerate/ddp-cpu.yaml"
        )
    if not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        distributed.init_process_group("cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo")
    return Processes(
        rank=distributed.get_rank(),
        count=count,
        local_count=int(os.environ.get("LOCAL_WORLD_SIZE", count)),
        group=_patient_group(),
    )


def part() -> None:
    """Leave the other processes; call it after success only, an error leaves by ending the process."""
    from torch import distributed

    if distributed.is_initialized():
        _GROUPS.clear()
        distributed.destroy_process_group()


def trainer_arguments(config: Training, processes: Processes) -> dict[str, Any]:
    """Keywords that every trainer's arguments need besides the recipe's; none for one process alone.

    Raises:
        TrainingError: the batch cannot be shared out evenly.
    """
    if processes.count == 1:
        return {}
    if config.batch_size % processes.count:
        raise TrainingError(
            f"training.batch_size is the batch of all processes together, and {config.batch_size} rows cannot be "
            f"shared out evenly among {processes.count}: make it a multiple, or start another number of processes"
        )
    return {
        "accelerator_config": {"split_batches": True},
        "ddp_find_unused_parameters": False,  # all adapters take part in every step
    }


def uses_fsdp() -> bool:
    """Whether `accelerate launch` was given a configuration with FSDP."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def sum_gradients(parameters: Sequence[torch.nn.Parameter]) -> None:
    """Add up each parameter's gradient over all processes, in place; nothing where there is one.

    For a step that calls `torch.autograd.grad`, which DDP's own hooks do not see. One message, not one per matrix.
    """
    from torch import distributed
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    if not distributed.is_initialized():
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    joined = parameters_to_vector(gradients)
    distributed.all_reduce(joined)
    vector_to_parameters(joined, gradients)


def summed(*values: float) -> tuple[float, ...]:
    """Each value added up over all processes, in the order of their ranks."""
    from torch import distributed

    if not distributed.is_initialized():
        return values
    everyone: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(everyone, values)
    return tuple(sum(column) for column in zip(*everyone, strict=True))


def whole_state(trainer: Any) -> dict[str, Any] | None:
    """Weights that FSDP has spread over the processes, gathered into the first (a call of all); None: not spread."""
    if not trainer.is_fsdp_enabled:
        return None
    state: dict[str, Any] = trainer.accelerator.get_state_dict(trainer.model)
    return state


_GROUPS: list[Any] = []


def _patient_group() -> Any:
    """One group for the life of the process: making one is itself a meeting of all."""
    from torch import distributed

    if not _GROUPS:
        _GROUPS.append(distributed.new_group(backend="gloo", timeout=LONGEST_WAIT))
    return _GROUPS[0]
