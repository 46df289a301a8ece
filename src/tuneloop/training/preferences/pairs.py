"""Two rows with one prompt, laid out so that what they share is computed once.

In the sequence of a pair come first the tokens both rows begin with, then the rest of one row, then the rest of the
other. Each rest attends to the beginning and to itself, as `fast.attention` knows it, so every token's past is what
it is in its row. A sequence of many pairs would want attention of more levels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


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


def deal(rows: list[Row], lanes: int) -> list[list[Pair]]:
    """Rows i and i + n/2 are pair i, as TRL lays them out. At most `lanes` hands, with about equally many tokens."""
    pairs = [
        lay_out(i, *both) for i, both in enumerate(zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True))
    ]
    hands: list[list[Pair]] = [[] for _ in range(min(lanes, len(pairs)))]
    for pair in sorted(pairs, key=_tokens, reverse=True):  # longest first, always to the hand that has least
        min(hands, key=lambda hand: sum(map(_tokens, hand))).append(pair)
    return hands


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
