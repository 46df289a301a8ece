"""Expect rows to be no copy, near-copy, contradiction or leak of another row."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

from __future__ import annotations

from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _NamesNoRow(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_names_no_row"
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[str], **_: Any) -> pd.Series[bool]:  # noqa: N805
        return column == ""


class ExpectNoTwin(ColumnMapExpectation):
    """Values are the id of the other row that makes this one superfluous or doubtful, "" for none."""

    map_metric = "column_values.tuneloop_names_no_row"
    success_keys = ("mostly",)
