"""What two rows share is laid out once, and each finds all of its tokens."""

from __future__ import annotations

import pytest
import torch

from tuneloop.training.preferences.losses import token_log_probabilities
from tuneloop.training.preferences.pairs import Row, lay_out, split_pairs

pytestmark = pytest.mark.integration


def row(*ids: int) -> Row:
    return Row(torch.tensor(ids), 2)


@pytest.mark.parametrize(
    ("first", "second", "borders"),
    [
        (row(1, 2, 3, 4), row(1, 2, 5), [0, 2, 4, 5]),
        (row(1, 2, 3), row(1, 2, 3), [0, 2, 3, 4]),
        (row(1, 2), row(1, 2, 3), [0, 1, 2, 4]),
        (row(9, 2, 3), row(1, 2, 3), [0, 3, 6]),
    ],
    ids=["one beginning", "equal rows", "one goes on from the other", "nothing in common"],
)
def test_the_places_of_a_row_hold_its_tokens_at_its_positions(first: Row, second: Row, borders: list[int]) -> None:
    pair = lay_out(0, first, second)
    assert pair.inputs["cu_seq_lens_q"].tolist() == borders
    assert pair.inputs["shared_prefix"] == (len(borders) == 4)
    for of_row, place in zip(pair.rows, pair.places, strict=True):
        assert torch.equal(pair.inputs["input_ids"][0, place], of_row.ids)
        assert torch.equal(pair.inputs["position_ids"][0, place], torch.arange(len(of_row.ids)))


def test_every_pair_is_in_one_shard_and_shards_are_about_equal() -> None:
    rows = [row(*range(n)) for n in (9, 3, 5, 3)] * 2
    shards = split_pairs(rows, 2)
    assert [[pair.number for pair in shard] for shard in shards] == [[0, 3], [2, 1]]
    assert len(split_pairs(rows, 9)) == 4


@pytest.mark.parametrize("tokens", [1, 300])
def test_log_probabilities_and_their_gradient_are_the_stock_ones(tokens: int) -> None:
    hidden, head = torch.randn(tokens, 16, requires_grad=True), torch.randn(50, 16)
    targets, weights = torch.randint(0, 50, (tokens,)), torch.randn(tokens)
    stock = torch.log_softmax(hidden @ head.t(), -1).gather(1, targets[:, None])[:, 0]
    ours = token_log_probabilities(hidden, head, targets)
    torch.testing.assert_close(ours, stock)
    gradients = [torch.autograd.grad((value * weights).sum(), hidden)[0] for value in (ours, stock)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)
