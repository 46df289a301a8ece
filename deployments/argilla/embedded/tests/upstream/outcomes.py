"""A pytest plugin for upstream's own test run: writes `{test id: passed, failed or skipped}` as JSON."""

import json
import os
from pathlib import Path

import pytest

_outcomes: dict[str, str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One report each for a test's set-up, call and tear-down; the worst counts."""
    if report.outcome != "passed" or report.when == "call":
        _outcomes[report.nodeid] = "failed" if _outcomes.get(report.nodeid) == "failed" else report.outcome


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES_FILE"]).write_text(json.dumps(_outcomes))
