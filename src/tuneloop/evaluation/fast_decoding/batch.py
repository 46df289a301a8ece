"""Token after token for many prompts: one product per weight for all of them, attention group by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneloop.evaluation.fast_decoding.network import FastNetwork
from tuneloop.evaluation.fast_decoding.prompts import SharedPrefix, chunks, whole_tiles

if TYPE_CHECKING:
    from torch import Tensor

GROUP_ROWS = 16
"""Rows that share one key-value cache. Few, so that short prompts do not look at the room of the longest of all."""


def generate(
    network: FastNetwork, prompts: Sequence[Sequence[int]], *, stop: frozenset[int], max_new_tokens: int
) -> list[list[int]]:
    """The most likely next token, again and again, until one of `stop` (which is included) or `max_new_tokens`.

    Prompts of like length should be neighbours: sort them.
    """
    import torch

    with torch.inference_mode():
        return _Batch(network, prompts, max_new_tokens).run(stop)


class _Batch:
    def __init__(self, network: FastNetwork, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> None:
        self.network = network
        self.max_new_tokens = max_new_tokens
        self.answers: list[list[int]] = [[] for _ in prompts]
        prefix = SharedPrefix(network, prompts)
        rows = range(len(prompts))
        groups = [rows[start : start + GROUP_ROWS] for start in range(0, len(prompts), GROUP_ROWS)]
        self.groups = [_Group(prefix, [prompts[row] for row in group], group, max_new_tokens) for group in groups]

    def run(self, stop: frozenset[int]) -> list[list[int]]:
        import torch

        while self._take(stop):
            last = torch.cat([group.last for group in self.groups])
            positions = torch.cat([group.lengths for group in self.groups])
            best = self.network.next_tokens(self.network.hidden(last, positions, self._attend))
            for group, tokens in zip(self.groups, best.split_with_sizes(self._sizes()), strict=True):
                group.advance(tokens)
        return self.answers

    def _take(self, stop: frozenset[int]) -> bool:
        """Append the newest tokens to the answers and let finished rows go; whether any row goes on."""
        for group in self.groups:
            for row, token in zip(group.rows, group.last.tolist(), strict=True):
                if not self._is_finished(row, stop):
                    self.answers[row].append(token)
            group.keep([slot for slot, row in enumerate(group.rows) if not self._is_finished(row, stop)])
        self.groups = [group for group in self.groups if group.rows]
        return bool(self.groups)

    def _is_finished(self, row: int, stop: frozenset[int]) -> bool:
        answer = self.answers[row]
        return len(answer) >= self.max_new_tokens or bool(answer and answer[-1] in stop)

    def _sizes(self) -> list[int]:
        return [len(group.rows) for group in self.groups]

    def _attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        import torch

        parts = zip(self.groups, *(x.split_with_sizes(self._sizes(), dim=-1) for x in (q, k, v)), strict=True)
        return torch.cat([group.attend(layer, *of_group) for group, *of_group in parts], dim=-1)


class _Group:
    """Neighbouring prompts and one cache for them.

    Per layer, `keys` and `values` are (row, key head, time, feature), each row from time 0 on, with room for the
    longest answer. `lengths` says how much of each row is filled. `mask` is added to the scores, (row, 1, 1, time), and
    hides the rest. `last` holds the newest token of each row.
    """

    def __init__(self, prefix: SharedPrefix, prompts: Sequence[Sequence[int]], rows: Sequence[int], room: int) -> None:
        import torch

        network = prefix.network
        self.rows = list(rows)
        self.lengths = torch.tensor([len(prompt) for prompt in prompts])
        shape = (len(prompts), network.key_heads, whole_tiles(max(map(len, prompts)) + room), network.width)
        self.keys = [network.embedding.new_zeros(shape) for _ in network.layers]
        self.values = [torch.zeros_like(keys) for keys in self.keys]
        ends = [self._read(prefix, prompts, part) for part in chunks([len(p) - prefix.length for p in prompts])]
        self.last = network.next_tokens(torch.cat(ends, dim=1))
        self._look()

    def advance(self, tokens: Tensor) -> None:
        self.last = tokens
        self.lengths = self.lengths + 1
        self._look()

    def keep(self, slots: list[int]) -> None:
        """Let all other rows go, as soon as a quarter of the rows has nothing more to say: it costs a copy."""
        import torch

        if len(slots) > 0.75 * len(self.rows):
            return
        self.rows = [self.rows[slot] for slot in slots]
        kept = torch.tensor(slots, dtype=torch.long)
        self.lengths, self.last = self.lengths[kept], self.last[kept]
        self.keys = [keys.index_select(0, kept) for keys in self.keys]
        self.values = [values.index_select(0, kept) for values in self.values]
        if self.rows:
            self._look()

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """One new token per row, shapes (heads, width, rows), against everything its row has in the cache."""
        from torch.nn.functional import scaled_dot_product_attention

        keys, values, end = self.keys[layer], self.values[layer], self.mask.shape[-1]
        for cache, new in ((keys, k), (values, v)):
            cache.view(-1, cache.shape[-1]).index_copy_(0, self.places, new.permute(2, 0, 1).flatten(0, 1))
        queries = q.permute(2, 0, 1).contiguous()[:, :, None]
        mixed = scaled_dot_product_attention(
            queries, keys[:, :, :end], values[:, :, :end], attn_mask=self.mask, scale=1.0, enable_gqa=True
        )
        return mixed.flatten(1).t().contiguous()  # as a view it would be multiplied in another order

    def _look(self) -> None:
        """What the newest tokens see, themselves included, and where they go in a cache of (everything, feature)."""
        import torch

        rows, heads, room, _ = self.keys[0].shape
        times = torch.arange(whole_tiles(int(self.lengths.max()) + 1))
        hidden = times > self.lengths[:, None]
        nothing = torch.zeros(hidden.shape, dtype=self.keys[0].dtype)
        self.mask = nothing.masked_fill_(hidden, -math.inf)[:, None, None, :]
        starts = torch.arange(0, rows * heads * room, room).view(rows, heads)
        self.places = (starts + self.lengths[:, None]).flatten()

    def _read(self, prefix: SharedPrefix, prompts: Sequence[Sequence[int]], part: range) -> Tensor:
        """Keep the keys and values of some of the prompts; their last hidden states, (features, prompts)."""
        import torch

        def store(layer: int, text: int, keys: Tensor, values: Tensor) -> None:
            self._store(layer, part[text], keys, values)

        x, ends = prefix.read([prompts[row] for row in part], store)
        return x[:, torch.tensor(ends) - 1]

    def _store(self, layer: int, row: int, keys: Tensor, values: Tensor) -> None:
        length = keys.shape[-1]
        self.keys[layer][row, :, :length] = keys.transpose(1, 2)
        self.values[layer][row, :, :length] = values.transpose(1, 2)
