"""Expect texts to be plain: no markup, no quoted mail, no control tokens, no orders to the model."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

from __future__ import annotations

from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _AtMost(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_at_most"
    condition_value_keys = ("most",)
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[int], most: int, **_: Any) -> pd.Series[bool]:  # noqa: N805
        return column <= most


class ExpectPlainText(ColumnMapExpectation):
    """Values are numbers of marks found in a row (tags, quoted lines, control tokens, phrases); `most` is still
    fine."""

    most: int = 0

    map_metric = "column_values.tuneloop_at_most"
    success_keys = ("most", "mostly")
