"""Expect near-relatives to be in one split: otherwise the test set leaks into training."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

from __future__ import annotations

from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _IsOneSplit(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_is_one_split"
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[int], **_: Any) -> pd.Series[bool]:  # noqa: N805
        return column == 1


class ExpectOneSplitPerCluster(ColumnMapExpectation):
    """Values are the number of splits over which a row's cluster is spread."""

    map_metric = "column_values.tuneloop_is_one_split"
    success_keys = ("mostly",)
