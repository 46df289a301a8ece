"""Expect rows to be no copy, near-copy, contradiction or leak of another row."""

from __future__ import annotations

from expectations.no_problem import ExpectNoProblem


class ExpectNoTwin(ExpectNoProblem):
    """Values are the id of the other row that makes this one superfluous or doubtful, "" for none."""
