"""Expect rows to hold no personal data beyond the kinds a recipe allows."""

# mypy: disable-error-code="misc, untyped-decorator"
# Great Expectations ships no type information.

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from great_expectations.execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import ColumnMapExpectation
from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial


class _OnlyAllowedKinds(ColumnMapMetricProvider):
    condition_metric_name = "column_values.tuneloop_only_allowed_kinds"
    condition_value_keys = ("allowed",)
    filter_column_isnull = False

    @column_condition_partial(engine=PandasExecutionEngine)
    def _pandas(cls, column: pd.Series[str], allowed: Sequence[str], **_: Any) -> pd.Series[bool]:  # noqa: N805
        # By distinct value: there are few, and a categorical column maps to another one that knows no "not".
        return column.isin([kinds for kinds in column.unique() if set(kinds.split(",")) <= {"", *allowed}])


class ExpectNoPersonalData(ColumnMapExpectation):
    """Values are comma-separated kinds of personal data ("" for none); kinds outside `allowed` are unexpected."""

    allowed: tuple[str, ...] = ()

    map_metric = "column_values.tuneloop_only_allowed_kinds"
    success_keys = ("allowed", "mostly")
