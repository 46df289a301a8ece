"""Run a suite over a frame and bring home which rows it does not like: ids and reasons, never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)

# With COMPLETE results Great Expectations would otherwise copy the offending values themselves into its result.
RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["id"],
    "exclude_unexpected_values": True,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation that was not met. `severity` is critical, warning or info; `count` may exceed the ids (table
    level)."""

    reason: str
    expectation: str
    column: str | None
    severity: str
    count: int
    row_ids: tuple[str, ...]

    def summary(self) -> dict[str, Any]:
        """Without the ids, for manifests and reports."""
        return {name: getattr(self, name) for name in ("reason", "expectation", "column", "severity", "count")}


def validate(frame: pd.DataFrame, suite: gx.ExpectationSuite) -> list[Finding]:
    """What the suite finds in the frame, which has a column `id`; in the suite's order.

    Raises:
        RuntimeError: an expectation could not be computed at all, which Great Expectations itself would only note.
    """
    if frame.empty:
        return []
    asset = _context().data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    order = {_identity(e.configuration): place for place, e in enumerate(suite.expectations)}
    results = batch.validate(suite, result_format=RESULT_FORMAT).results
    for result in results:
        _must_have_run(result.expectation_config.type, result.exception_info)
    results = sorted(results, key=lambda r: order[_identity(r.expectation_config)])
    return [_finding(r) for r in results if not r.success]


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


def _must_have_run(expectation: str, info: Mapping[str, Any]) -> None:
    details = [info] if "raised_exception" in info else list(info.values())
    for detail in details:
        if detail["raised_exception"]:
            raise RuntimeError(f"{expectation} could not be computed: {detail['exception_message']}")


def _finding(result: Any) -> Finding:
    configuration = result.expectation_config
    found = result.result
    return Finding(
        reason=configuration.meta["reason"],
        expectation=configuration.type,
        column=configuration.kwargs.get("column"),
        severity=str(configuration.severity.value),
        count=int(found.get("unexpected_count", 1)),
        row_ids=tuple(str(i) for entry in found.get("unexpected_index_list") or () for i in _listed(entry["id"])),
    )


def _listed(ids: Any) -> list[Any]:
    """Depending on the engine an entry names one row or all of them."""
    return ids if isinstance(ids, list) else [ids]
