"""Pairs of a better and a worse answer as token ids, prepared for a trainer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import torch

from tuneloop.chat import IGNORED, example_ids
from tuneloop.errors import DataError
from tuneloop.records import Message, Record

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase


# In the sequence of a pair come first the tokens both rows begin with, then the rest of one row, then the rest of the
# other. Each rest attends to the beginning and to itself, as `fast.attention` knows it, so every token's past is what
# it is in its row. A sequence of many pairs would want attention of more levels.


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of a prompt with an answer, (length,); the answer starts at `start`."""

    ids: torch.Tensor
    start: int


@dataclass(frozen=True, slots=True)
class Pair:
    """`places` says of each row where in the sequence its tokens are; `inputs` is the sequence, as a decoder takes it.

    `number` is the pair's in its batch.
    """

    number: int
    rows: tuple[Row, Row]
    places: tuple[torch.Tensor, torch.Tensor]
    inputs: dict[str, Any]


def split_pairs(rows: list[Row], threads: int) -> list[list[Pair]]:
    """Rows i and i + n/2 are pair i, as TRL lays them out. At most `threads` shards, with about equally many tokens."""
    pairs = [
        lay_out(i, *both) for i, both in enumerate(zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True))
    ]
    shards: list[list[Pair]] = [[] for _ in range(min(threads, len(pairs)))]
    for pair in sorted(pairs, key=_tokens, reverse=True):  # longest first, always to the shard that has least
        min(shards, key=lambda shard: sum(map(_tokens, shard))).append(pair)
    return shards


def lay_out(number: int, first: Row, second: Row) -> Pair:
    """The pair of two rows that begin alike, or not."""
    shared = _shared_length(first, second)
    middle, end = first.ids.numel(), first.ids.numel() + second.ids.numel() - shared
    borders = [0, shared, middle, end] if shared else [0, middle, end]
    positions = torch.cat((torch.arange(middle), torch.arange(shared, second.ids.numel())))
    inputs = {
        "input_ids": torch.cat((first.ids, second.ids[shared:]))[None],
        "position_ids": positions[None],
        "cu_seq_lens_q": torch.tensor(borders, dtype=torch.int32),
        "shared_prefix": shared > 0,
    }
    of_second = torch.cat((torch.arange(shared), torch.arange(middle, end)))
    return Pair(number, (first, second), (torch.arange(middle), of_second), inputs)


def _tokens(pair: Pair) -> int:
    return int(pair.inputs["input_ids"].numel())


def _shared_length(first: Row, second: Row) -> int:
    """Tokens both rows begin with, short of the last of either, so that each keeps one of its own."""
    most = min(first.ids.numel(), second.ids.numel()) - 1
    return int((first.ids[:most] == second.ids[:most]).int().cumprod(0).sum())


log = logging.getLogger(__name__)

Objective = Literal["dpo", "kto", "reward"]
Columns = dict[str, Any]

COLUMNS: dict[Objective, tuple[str, ...]] = {
    "dpo": ("prompt_ids", "chosen_ids", "rejected_ids"),
    "kto": ("prompt_ids", "completion_ids", "label"),
    "reward": ("chosen_ids", "rejected_ids"),
}


def tokenise_pairs(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[Record],
    system_prompt: str,
    max_tokens: int,
    *,
    objective: Objective,
) -> Dataset:
    """The columns `COLUMNS[objective]`, token for token what `chat.example_ids` makes of each answer.

    For `dpo` a row is a pair whose answers stand apart from their prompt; for `reward` both answers come with it. For
    `kto` a pair is two rows, and a row whose `extra["label"]` is true or false (a thumb) is one.

    A pair with an answer that does not fit into `max_tokens` with its prompt is left out and counted in the log:
    cutting it would teach answers without an end.

    Raises:
        DataError: rows that hold no preference.
    """
    from datasets import Dataset

    _require_preferences(rows, objective)
    judged = [_answers(tokenizer, row, system_prompt) for row in rows]
    fitting = [
        answers for answers in judged if all(len(prompt + answer) <= max_tokens for prompt, answer, _ in answers)
    ]
    if left_out := len(judged) - len(fitting):
        log.warning("%d of %d rows are longer than %d tokens and left out", left_out, len(rows), max_tokens)
    examples = [example for answers in fitting for example in _examples(answers, objective)]
    return Dataset.from_dict({name: [example[name] for example in examples] for name in COLUMNS[objective]})


def _require_preferences(rows: Sequence[Record], objective: Objective) -> None:
    useless = [row for row in rows if row.rejected is None and not (objective == "kto" and _thumb(row) is not None)]
    if not useless:
        return
    thumbs = " or, for single answers, `extra.label` true or false" if objective == "kto" else ""
    raise DataError(
        f"{len(useless)} of {len(rows)} rows have no rejected answer, the first is {useless[0].id} of "
        f"{useless[0].source}. training.objective: {objective} learns from pairs: set data.kind: preference and name "
        f"the column of the worse answer (columns: rejected){thumbs}; rows that only show what is wanted are for "
        "objective: sft"
    )


def _thumb(row: Record) -> bool | None:
    label = row.extra.get("label")
    return label if isinstance(label, bool) else None


def _answers(
    tokenizer: PreTrainedTokenizerBase, row: Record, system_prompt: str
) -> list[tuple[list[int], list[int], bool]]:
    """(prompt, answer, whether it is a good one) of each answer in the row, the good one first."""
    prompt, answer = _split(*example_ids(tokenizer, row, system_prompt))
    if row.rejected is None:
        return [(prompt, answer, bool(_thumb(row)))]
    worse = replace(row, messages=(*row.messages[:-1], Message("assistant", row.rejected)))
    return [(prompt, answer, True), (*_split(*example_ids(tokenizer, worse, system_prompt)), False)]


def _split(ids: list[int], labels: list[int]) -> tuple[list[int], list[int]]:
    start = next(i for i, label in enumerate(labels) if label != IGNORED)
    return ids[:start], ids[start:]


def _examples(answers: list[tuple[list[int], list[int], bool]], objective: Objective) -> Iterator[Columns]:
    if objective == "kto":
        yield from ({"prompt_ids": prompt, "completion_ids": ids, "label": good} for prompt, ids, good in answers)
        return
    (prompt, chosen, _), (_, rejected, _) = answers
    if objective == "reward":
        yield {"chosen_ids": prompt + chosen, "rejected_ids": prompt + rejected}
    else:
        yield {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}
