"""Expect pairs of answers of which one is better."""

# mypy: disable-error-code="misc"
# Great Expectations ships no type information.

from __future__ import annotations

from expectations.no_problem import ExpectNoProblem


class ExpectClearPreference(ExpectNoProblem):
    """Values say what a pair lacks (the worse answer is missing, or the same), "" for nothing."""
