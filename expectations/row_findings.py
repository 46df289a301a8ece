"""Expect that a column which names what is wrong with a row is empty: one expectation per column."""

from __future__ import annotations

from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _HasNoProblem(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_has_no_problem"
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[str], **_: Any) -> pd.Series[bool]:  # noqa: N805
        return column == ""


class ExpectNoProblem(ColumnMapExpectation):
    """Values name a problem, "" for none."""

    map_metric = "column_values.tuneloop_has_no_problem"
    success_keys = ("mostly",)


class ExpectNoDuplicate(ExpectNoProblem):
    """Values are the id of the other row that makes this one superfluous or doubtful, "" for none."""


class ExpectAnswerAsAgreed(ExpectNoProblem):
    """Values say what is wrong with an answer (not JSON, a key missing, a label not allowed), "" for nothing."""


class ExpectClearPreference(ExpectNoProblem):
    """Values say what a pair lacks (the worse answer is missing, or the same), "" for nothing."""


class ExpectWorthLearning(ExpectNoProblem):
    """Values name what makes a text a bad example (see `tuneloop.data.columns`), "" for nothing."""
