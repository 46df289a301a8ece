"""One number per row: what the model thinks of an answer. A lane's pairs, [first, second, first, second...]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from tuneloop.training.preferences.log_probabilities import token_log_probabilities
from tuneloop.training.preferences.pairs import Pair


def log_probabilities(model: Any, pairs: Sequence[Pair]) -> torch.Tensor:
    """Of each row's answer, (rows,) in float32."""
    hidden, answers = [], []
    for pair in pairs:
        before = torch.cat([place[row.start - 1 : -1] for row, place in zip(pair.rows, pair.places, strict=True)])
        hidden.append(_hidden(model, pair).index_select(0, before))
        answers += [row.ids[row.start :] for row in pair.rows]
    head = model.get_base_model().get_output_embeddings().weight
    tokens = token_log_probabilities(torch.cat(hidden), head, torch.cat(answers))
    return torch.stack([of_row.sum() for of_row in torch.split(tokens, [len(answer) for answer in answers])])


def scores(model: Any, pairs: Sequence[Pair]) -> torch.Tensor:
    """Of each row, (rows,) in float32: read where transformers reads it, at the last token that is not padding's.

    Where the padding token is also the one that ends a turn, that is the token before the end.
    """
    inner = model.get_base_model()
    padding, hidden = inner.config.pad_token_id, []
    for pair in pairs:
        last = [place[(row.ids != padding).nonzero()[-1]] for row, place in zip(pair.rows, pair.places, strict=True)]
        hidden.append(_hidden(model, pair).index_select(0, torch.cat(last)))
    output: torch.Tensor = inner.score(torch.cat(hidden))[:, 0].float()
    return output


def _hidden(model: Any, pair: Pair) -> torch.Tensor:
    """What the last layer makes of a pair's sequence, (tokens, dim)."""
    decoder = model.get_base_model().base_model
    output: torch.Tensor = decoder(**pair.inputs, use_cache=False).last_hidden_state[0]
    return output
