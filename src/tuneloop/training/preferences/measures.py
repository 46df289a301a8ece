"""What a preference run measures besides its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
