"""Reading whole texts: end to end, without padding, and what they all begin with only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from tuneloop.evaluation.fast_decoding.network import FastNetwork

if TYPE_CHECKING:
    from torch import Tensor

TOKENS_AT_ONCE = 512
"""Texts are read in parts of about so many; 2,048 at once were no faster, and take four times the memory."""
LOGITS_AT_ONCE = 256
"""Places whose logits exist at the same time: 50 MiB in float32 with a vocabulary of 49,152."""

QUERIES_AT_ONCE = 256
TILE = 64
"""Attention looks at a multiple of so many keys. The hidden ones among them then change nothing, not even the order in
which the others are summed, so that an answer does not hang on what else is in its batch."""

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

    losses = []
    with torch.inference_mode():
        prefix = SharedPrefix(network, [text[:start] for text, start in zip(texts, starts, strict=True)])
        for rows in chunks([len(text) - prefix.length for text in texts]):
            x, ends = prefix.read([texts[row] for row in rows])
            for row, end in zip(rows, ends, strict=True):
                wanted = torch.tensor(texts[row][starts[row] :])
                losses.append(_losses(network, x[:, end - 1 - len(wanted) : end - 1], wanted))
    return losses


def _losses(network: FastNetwork, x: Tensor, wanted: Tensor) -> list[float]:
    """Of each wanted token, given the last hidden state before it; `x` is (features, tokens)."""
    import torch
    from torch.nn.functional import cross_entropy

    pieces = zip(torch.split(x, LOGITS_AT_ONCE, dim=1), torch.split(wanted, LOGITS_AT_ONCE), strict=True)
    scored = ((network.scores(states.contiguous()).t().float(), tokens) for states, tokens in pieces)
    return [float(loss) for scores, tokens in scored for loss in cross_entropy(scores, tokens, reduction="none")]


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention within one text, shapes (heads, width, tokens); the queries belong to the last of the keys."""
    import torch
    from torch.nn.functional import pad

    queries, keys = q.shape[-1], k.shape[-1]
    odd = queries % 2  # a query by itself would be multiplied in another order than two
    room = whole_tiles(keys + odd) - keys
    q = pad(q, (0, odd)).transpose(1, 2).contiguous()
    k, v = (pad(x, (0, room)).transpose(1, 2).contiguous() for x in (k, v))
    blocks = torch.split(q, QUERIES_AT_ONCE, dim=1)
    mixed = [_seen(block, k, v, keys - queries + QUERIES_AT_ONCE * i) for i, block in enumerate(blocks)]
    return torch.cat(mixed, dim=1)[:, :queries].transpose(1, 2).flatten(0, 1)


def _seen(q: Tensor, k: Tensor, v: Tensor, before: int) -> Tensor:
    """Attention of neighbouring queries to the keys up to each; `before` keys are those of earlier tokens."""
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    end = whole_tiles(before + q.shape[1])
    allowed = torch.ones(q.shape[1], end, dtype=torch.bool).tril(before)
    mixed = scaled_dot_product_attention(
        q[None], k[None, :, :end], v[None, :, :end], attn_mask=allowed, scale=1.0, enable_gqa=True
    )
    return mixed[0]


def whole_tiles(length: int) -> int:
    """`length`, rounded up: see `TILE`."""
    return -(-length // TILE) * TILE


def chunks(lengths: Sequence[int]) -> list[range]:
    """Neighbouring texts, together at most `TOKENS_AT_ONCE` long where that is possible."""
    chunks, start, total = [], 0, 0
    for row, length in enumerate(lengths):
        if row > start and total + length > TOKENS_AT_ONCE:
            chunks.append(range(start, row))
            start, total = row, 0
        total += length
    return [*chunks, range(start, len(lengths))]
