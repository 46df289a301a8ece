"""What the objectives make of the log-probabilities or scores of a batch: the loss, and what is worth logging.

`values` has a row per pair, (pairs, 2). The loss is a mean over pairs; `measured` uses TRL's names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import logsigmoid

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
