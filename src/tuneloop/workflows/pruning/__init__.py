"""Remove what is old and what nothing current needs; `prune.py` is where to begin."""

from tuneloop.workflows.pruning.prune import Pruning, carry_out, plan

__all__ = ["Pruning", "carry_out", "plan"]
