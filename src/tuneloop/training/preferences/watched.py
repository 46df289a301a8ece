"""TRL's preference trainers as they are, watched, and with a reference that is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trl import DPOTrainer, KTOTrainer, RewardTrainer

from tuneloop.training.callbacks import Watched
from tuneloop.training.preferences.references import KeptReference

if TYPE_CHECKING:
    from datasets import Dataset


class WatchedDPOTrainer(KeptReference, Watched, DPOTrainer):  # type: ignore[misc]
    """Direct preference optimisation by TRL's own step."""


class WatchedKTOTrainer(KeptReference, Watched, KTOTrainer):  # type: ignore[misc]
    """Kahneman-Tversky optimisation by TRL's own step."""

    def _prepare_dataset(self, dataset: Dataset, _tokenizer: Any, args: Any, *_: Any) -> Dataset:
        return dataset.map(
            _with_mismatched_answers,
            batched=True,
            batch_size=args.per_device_train_batch_size,
            load_from_cache_file=False,
        )


class WatchedRewardTrainer(Watched, RewardTrainer):  # type: ignore[misc]
    """A model that scores answers, by TRL's own step."""


def _with_mismatched_answers(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Each prompt with the answer before it: from these TRL estimates how far the model has moved."""
    answers = batch["completion_ids"]
    return {**batch, "KL_completion_ids": [answers[-1], *answers[:-1]]}
