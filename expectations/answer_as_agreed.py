"""Expect answers to have the form a recipe asks for."""

# mypy: disable-error-code="misc"
# Great Expectations ships no type information.

from __future__ import annotations

from expectations.no_problem import ExpectNoProblem


class ExpectAnswerAsAgreed(ExpectNoProblem):
    """Values say what is wrong with an answer (not JSON, a key missing, a label not allowed), "" for nothing."""
