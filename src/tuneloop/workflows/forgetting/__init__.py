"""Erase a person's words from every place of a workspace; `forget.py` is where to begin."""

from tuneloop.workflows.forgetting.forget import Forgetting, carry_out, plan

__all__ = ["Forgetting", "carry_out", "plan"]
