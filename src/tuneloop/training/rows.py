"""Rows of a data version as tokens."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneloop.chat import example_ids
from tuneloop.errors import TrainingError
from tuneloop.records import Record

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)


def tokenise(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Record], system_prompt: str, max_tokens: int
) -> Dataset:
    """`input_ids` and `labels` of each row that fits into `max_tokens`.

    Longer rows are left out and counted in the log: cutting them would teach the model answers without an end.
    """
    from datasets import Dataset

    examples = [example_ids(tokenizer, row, system_prompt) for row in rows]
    fitting = [(ids, labels) for ids, labels in examples if len(ids) <= max_tokens]
    if len(fitting) < len(examples):
        log.warning(
            "%d of %d rows are longer than %d tokens and left out",
            len(examples) - len(fitting),
            len(examples),
            max_tokens,
        )
    return Dataset.from_dict({"input_ids": [i for i, _ in fitting], "labels": [ls for _, ls in fitting]})


def require_rows(rows: Dataset, max_tokens: int) -> None:
    """Raise TrainingError if nothing is left to train on."""
    if not len(rows):
        raise TrainingError(
            f"no training row fits into {max_tokens} tokens; raise model.max_tokens or look at the data"
        )
