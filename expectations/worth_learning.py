"""Expect texts that a model may copy: no keyboard runs, no line over and over, no shouting."""

# mypy: disable-error-code="misc"
# Great Expectations ships no type information.

from __future__ import annotations

from expectations.no_problem import ExpectNoProblem


class ExpectWorthLearning(ExpectNoProblem):
    """Values name what makes a text a bad example (see `tuneloop.data.columns`), "" for nothing."""
