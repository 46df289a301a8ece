"""Run a suite over a frame and bring home what came of each expectation: row ids and reasons, never a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

from expectations.feedback_suite import feedback_suite
from expectations.preference_suite import preference_suite
from expectations.severities import OURS
from expectations.sft_suite import relation_suite, row_suite
from expectations.traffic_suite import traffic_suite
from tuneloop.ports import Finding, Suite
from tuneloop.results import Check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ROW = "row"
"""The name of the index during a validation. Great Expectations reads an index as a whole, a column cell by cell."""

# With COMPLETE results Great Expectations would otherwise copy the offending values themselves into its result, and
# write a query that names every row.
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": [ROW],
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}


class SuiteValidator:
    """The library's `Validator`: suites of Great Expectations, and its Data Docs as pages."""

    def validate(self, frame: pd.DataFrame, suite: Suite) -> list[Finding]:
        return validate(frame, build(suite))

    def write_pages(self, folder: Path, validated: Sequence[tuple[Suite, Sequence[Check], int]]) -> Path:
        from expectations.data_docs import write_data_docs

        return write_data_docs(folder, [(build(suite), checks, rows) for suite, checks, rows in validated])


def build(suite: Suite) -> gx.ExpectationSuite:
    """Return the expectations that a suite of the library names."""
    match suite.name:
        case "rows":
            return row_suite(suite.checks, max_tokens=suite.max_tokens)
        case "pairs":
            return preference_suite(suite.checks, max_tokens=suite.max_tokens)
        case "relations":
            return relation_suite(suite.checks)
        case "feedback":
            return feedback_suite(suite.checks)
        case "traffic":
            return traffic_suite(suite.checks)


def validate(frame: pd.DataFrame, suite: gx.ExpectationSuite) -> list[Finding]:
    """Return what came of every expectation of the suite, in its order; the frame has a column `id`.

    A frame without rows meets everything.

    Raises:
        RuntimeError: an expectation could not be computed at all, which Great Expectations itself would only note, or
            a column has empty cells, which it would pass over.
    """
    _must_have_no_gaps(frame)
    order = {_identity(e.configuration): place for place, e in enumerate(suite.expectations)}
    results = sorted(_results(frame, suite), key=lambda r: order[_identity(r.expectation_config)])
    ids = frame["id"].to_numpy(dtype=object)  # every id as one object, however many findings name it
    return [_finding(r, ids) for r in results]


def _results(frame: pd.DataFrame, suite: gx.ExpectationSuite) -> list[Any]:
    asset = _context().data_sources.add_pandas("rows").add_dataframe_asset("rows")
    rows = frame.set_axis(pd.RangeIndex(len(frame), name=ROW))
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})
    results: list[Any] = batch.validate(suite, result_format=RESULT_FORMAT).results
    for result in results:
        _must_have_run(result.expectation_config.type, result.exception_info)
    return results


def _context() -> Any:
    """In memory, without the temporary folder for web pages that the default one would leave behind."""
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
        ),
    )
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _identity(configuration: Any) -> tuple[str, str]:
    """Results come in an order of their own."""
    return configuration.type, repr(sorted((k, str(v)) for k, v in configuration.kwargs.items() if k != "batch_id"))


def _must_have_no_gaps(frame: pd.DataFrame) -> None:
    gaps = [str(column) for column in frame.columns if frame[column].isna().any()]
    if gaps:
        raise RuntimeError(f"empty cells in {', '.join(gaps)}: expectations say nothing about them, so write what is")


def _must_have_run(expectation: str, info: Mapping[str, Any]) -> None:
    details = [info] if "raised_exception" in info else list(info.values())
    for detail in details:
        if detail["raised_exception"]:
            raise RuntimeError(f"{expectation} could not be computed: {detail['exception_message']}")


def _finding(result: Any, ids: NDArray[np.object_]) -> Finding:
    configuration = result.expectation_config
    found = result.result
    rows = [row for entry in found.get("unexpected_index_list") or () for row in entry[ROW]]
    return Finding(
        reason=configuration.meta["reason"],
        expectation=configuration.type,
        column=configuration.kwargs.get("column"),
        severity=OURS[configuration.severity.value],
        success=bool(result.success),
        count=int(found.get("unexpected_count", not result.success)),
        row_ids=tuple(map(str, ids[rows])) if rows else (),
    )
