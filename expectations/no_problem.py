"""Expect that nothing is wrong with a row, where a column says in words what is."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

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
