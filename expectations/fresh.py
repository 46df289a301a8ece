"""Expect rows to be no older than a recipe allows: yesterday's right answer may be wrong today."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

from __future__ import annotations

from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _IsFresh(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_is_fresh"
    condition_value_keys = ("max_days",)
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[int], max_days: int, **_: Any) -> pd.Series[bool]:  # noqa: N805
        return column <= max_days


class ExpectFresh(ColumnMapExpectation):
    """Values are ages in whole days; below 0: not known, and nothing is held against the row."""

    max_days: int

    map_metric = "column_values.tuneloop_is_fresh"
    success_keys = ("max_days", "mostly")
