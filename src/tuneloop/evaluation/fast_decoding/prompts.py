"""Reading whole texts: end to end, without padding, and what they all begin with only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from tuneloop.evaluation.fast_decoding.network import FastNetwork

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_AT_ONCE = 2048
Store = Callable[[int, int, "Tensor", "Tensor"], None]
"""(layer, text, keys, values): what to keep of a text; both are (key heads, width, tokens), the shared ones first."""


class SharedPrefix:
    """Keys and values of the tokens that all texts begin with (system prompt, opening of the chat template).

    Each text keeps at least its last token for itself, because somebody will ask what comes behind it.
    """

    def __init__(self, network: FastNetwork, texts: Sequence[Sequence[int]]) -> None:
        import torch

        self.network = network
        first, shortest = texts[0], min(map(len, texts))
        self.length = sum(takewhile(bool, (all(t[i] == first[i] for t in texts) for i in range(shortest - 1))))
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []
        if self.length:
            network.hidden(torch.tensor(first[: self.length]), torch.arange(self.length), self._keep)

    def read(self, texts: Sequence[Sequence[int]], store: Store | None = None) -> tuple[Tensor, list[int]]:
        """Last hidden states of the texts' own tokens, end to end, (features, tokens), and where each text ends."""
        import torch

        lengths = [len(text) - self.length for text in texts]

        def attend(layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            mixed = []
            parts = (x.split_with_sizes(lengths, dim=-1) for x in (q, k, v))
            for text, (own_q, own_k, own_v) in enumerate(zip(*parts, strict=True)):
                keys, values = self._in_front(layer, own_k, own_v)
                if store is not None:
                    store(layer, text, keys, values)
                mixed.append(_causal(own_q, keys, values))
            return torch.cat(mixed, dim=-1)

        tokens = torch.tensor([token for text in texts for token in text[self.length :]])
        positions = torch.cat([torch.arange(self.length, self.length + length) for length in lengths])
        return self.network.hidden(tokens, positions, attend), list(accumulate(lengths))

    def _keep(self, _layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self._keys.append(k)
        self._values.append(v)
        return _causal(q, k, v)

    def _in_front(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        import torch

        if not self.length:
            return keys, values
        return torch.cat((self._keys[layer], keys), dim=-1), torch.cat((self._values[layer], values), dim=-1)


def answer_losses(network: FastNetwork, texts: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[float]]:
    """Negative log-likelihood, in nats, of every token of each text from its place in `starts` (at least 1) on."""
    import torch
    from torch.nn.functional import cross_entropy

    losses = []
    with torch.inference_mode():
        prefix = SharedPrefix(network, [text[:start] for text, start in zip(texts, starts, strict=True)])
        for rows in _chunks([len(text) - prefix.length for text in texts]):
            x, ends = prefix.read([texts[row] for row in rows])
            for row, end in zip(rows, ends, strict=True):
                wanted = torch.tensor(texts[row][starts[row] :])
                scores = network.scores(x[:, end - 1 - len(wanted) : end - 1].contiguous())
                losses.append(cross_entropy(scores.t().float(), wanted, reduction="none").tolist())
    return losses


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention within one text, shapes (heads, width, tokens); the queries belong to the last of the keys."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    queries, keys = q.shape[-1], k.shape[-1]
    before = keys - queries
    allowed = torch.ones(queries, keys, dtype=torch.bool).tril(before) if before else None
    q, k, v = (x.transpose(1, 2).contiguous()[None] for x in (q, k, v))
    mixed = scaled_dot_product_attention(q, k, v, attn_mask=allowed, is_causal=not before, scale=1.0, enable_gqa=True)
    return mixed[0].transpose(1, 2).flatten(0, 1)


def _chunks(lengths: Sequence[int]) -> list[range]:
    """Neighbouring texts, together at most `TOKENS_AT_ONCE` long where that is possible."""
    chunks, start, total = [], 0, 0
    for row, length in enumerate(lengths):
        if row > start and total + length > TOKENS_AT_ONCE:
            chunks.append(range(start, row))
            start, total = row, 0
        total += length
    return [*chunks, range(start, len(lengths))]
