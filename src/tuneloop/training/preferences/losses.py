"""Losses on pairs of answers, of their log-probabilities, and what is measured beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import logsigmoid

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


OURS = {
    "rewards/accuracies": "accuracy",
    "rewards/margins": "margin",
    "accuracy": "accuracy",
    "margin": "margin",
}
"""TRL's name -> ours, the same for all objectives."""


def measures(log_history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The last value of each measure, of the training rows as `train_...` and of the validation rows as `eval_...`.

    `accuracy` is the share of pairs whose better answer has the higher reward (KTO has no pairs, so none), `margin` the
    mean difference of the two rewards. DPO and KTO reward an answer with beta times what its log-probability gained.
    """
    last: dict[str, float] = {}
    for entry in log_history:
        for theirs, ours in OURS.items():
            for key, prefix in ((theirs, "train"), (f"eval_{theirs}", "eval")):
                if key in entry:
                    last[f"{prefix}_{ours}"] = float(entry[key])
    return last


CHUNK = 256
"""Positions whose logits exist at one time."""


def token_log_probabilities(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-softmax of `hidden` (n, dim) @ `head` (vocabulary, dim)^T at `targets` (n,): (n,) in float32.

    The gradient for `hidden` is computed in the forward, where the logits are at hand. `head` gets none: use it with a
    frozen head.
    """
    output: torch.Tensor = _TokenLogProbabilities.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return output


class _TokenLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        output = hidden.new_empty(hidden.shape[0], dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, hidden.shape[0], CHUNK):
            chunk = slice(start, start + CHUNK)
            wanted = targets[chunk, None]
            shares = torch.log_softmax(hidden[chunk] @ head.t(), -1, dtype=torch.float32)
            output[chunk] = shares.gather(1, wanted)[:, 0]
            if gradient is not None:  # of log p: the head's row of the wanted token less the expected row
                shares.exp_().neg_().scatter_add_(1, wanted, shares.new_ones(wanted.shape))
                gradient[chunk] = shares.to(hidden.dtype) @ head
        ctx.save_for_backward(gradient)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0][:, None].to(gradient.dtype), None, None


# `values` has a row per pair, (pairs, 2). The loss is a mean over pairs; `measured` uses TRL's names.


Batch = dict[str, Any]
Outcome = tuple[torch.Tensor, dict[str, float]]


def dpo_loss(values: torch.Tensor, batch: Batch, beta: float) -> Outcome:
    """Equation 7 of Rafailov et al. 2023; `values` are log-probabilities of chosen and rejected."""
    reference = torch.stack((batch["ref_chosen_logps"], batch["ref_rejected_logps"]), 1)
    rewards = beta * (values - reference)
    chosen, rejected = rewards.unbind(1)
    return -logsigmoid(chosen - rejected).mean(), {
        **_rewards(chosen.detach(), rejected.detach()),
        "rewards/accuracies": _mean(chosen > rejected),
        "logps/chosen": _mean(values[:, 0]),
        "logps/rejected": _mean(values[:, 1]),
    }


def kto_loss(values: torch.Tensor, batch: Batch, beta: float, good_weight: float, bad_weight: float) -> Outcome:
    """Equations 7 and 8 of Ethayarajh et al. 2024. `values` are log-probabilities of an answer and, after the same
    prompt, of an answer to another one; the latter estimate how far the model has moved, and carry no gradient."""
    good, gains = batch["label"].bool(), values[:, 0] - batch["ref_logps"]
    moved = (values[:, 1].detach() - batch["ref_KL_logps"]).mean().clamp(min=0)
    utility = torch.sigmoid(beta * torch.where(good, gains - moved, moved - gains))
    weights = torch.where(good, good_weight, bad_weight)
    rewards = beta * gains.detach()
    measured = {"kl": float(moved)}
    if good.any() and not good.all():
        measured |= _rewards(rewards[good], rewards[~good])
    return (weights * (1 - utility)).mean(), measured


def reward_loss(values: torch.Tensor) -> Outcome:
    """Bradley-Terry, equation 1 of Ouyang et al. 2022; `values` are scores of chosen and rejected."""
    margins = values[:, 0] - values[:, 1]
    measured = {"accuracy": _mean(margins > 0), "margin": _mean(margins), "mean_reward": _mean(values)}
    return -logsigmoid(margins).mean(), measured


def _rewards(chosen: torch.Tensor, rejected: torch.Tensor) -> dict[str, float]:
    means = _mean(chosen), _mean(rejected)
    return {"rewards/chosen": means[0], "rewards/rejected": means[1], "rewards/margins": means[0] - means[1]}


def _mean(values: torch.Tensor) -> float:
    return float(values.detach().float().mean())
