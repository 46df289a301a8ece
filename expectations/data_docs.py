"""Great Expectations' own web pages of a validation, made fit to be opened offline: no outside address is asked.

They are drawn from the findings (counts and reasons), so that no row's text can be in them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import great_expectations as gx
from great_expectations.core import ExpectationSuiteValidationResult, ExpectationValidationResult
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

from expectations.severities import OURS
from tuneloop.data.rejection_reasons import meaning
from tuneloop.results import Check

SITE = "data_docs"

STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; color: #1c1e21; }
table { border-collapse: collapse; margin: .5rem 0; }
td, th { border: 1px solid #ccc; padding: .3rem .6rem; text-align: left; }
a { color: #0b57a4; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
.col-md-2 { min-width: 12rem; }
.col-md-10 { flex: 1; }
.text-danger { color: #a40000; }
.text-success { color: #1d6f1d; }
.fa-check-circle::before { content: "\\2713"; }
.fa-times::before { content: "\\2717"; }
.modal, .collapse, footer, .btn, .navbar-brand { display: none; }
</style>"""
"""Stands in for the five style sheets that the pages would load from elsewhere."""

_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_FOOTER = re.compile(r"<footer\b.*?</footer>", re.DOTALL | re.IGNORECASE)
_LOADED = re.compile(r"<(?:link|img|iframe)\b[^>]*>", re.IGNORECASE)
_OUTSIDE_URL = re.compile(r"url\(\s*['\"]?https?://[^)]*\)", re.IGNORECASE)
_OUTSIDE_ANCHOR = re.compile(r"<a\b[^>]*href=['\"]https?://[^>]*>(.*?)</a>", re.DOTALL | re.IGNORECASE)


def write_data_docs(folder: Path, validated: Sequence[tuple[gx.ExpectationSuite, Sequence[Check], int]]) -> Path:
    """Write the pages below `folder` and return the index page.

    `validated` has each suite, its outcomes, and how many rows it has seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tuneloop-gx-") as project:
        context = _context(Path(project), folder.resolve())
        for suite, checks, rows in validated:
            _add(context, suite, checks, rows)
        context.build_data_docs()
    shutil.rmtree(folder / "static", ignore_errors=True)  # pictures and fonts that no page without scripts shows
    pages = sorted(folder.glob("expectations/**/*.html")) + sorted(folder.glob("validations/**/*.html"))
    for page in pages:
        page.write_text(without_outside(page.read_text(encoding="utf-8")), encoding="utf-8")
    index = folder / "index.html"
    index.write_text(_index([p.relative_to(folder) for p in pages]), encoding="utf-8")
    return index


def without_outside(html: str) -> str:
    """Return the page without scripts and without anything that is loaded; links to other sites become their text."""
    html = _OUTSIDE_ANCHOR.sub(r"\1", _LOADED.sub("", _FOOTER.sub("", _SCRIPT.sub("", html))))
    return _OUTSIDE_URL.sub("none", html).replace("</head>", f"{STYLE}</head>", 1)


def _index(pages: Sequence[Path]) -> str:
    """Ours, because theirs is an empty table that a script fills."""
    links = "".join(f'<li><a href="{quote(str(p))}">{escape(_title(p))}</a></li>' for p in pages)
    head = f'<head><meta charset="UTF-8"><title>Data Docs</title>{STYLE}</head>'
    return f'<!DOCTYPE html><html lang="en">{head}<body><h1>Data Docs</h1><ul>{links}</ul></body></html>'


def _title(page: Path) -> str:
    return f"what is expected: {page.stem}" if page.parts[0] == "expectations" else f"what was found: {page.stem}"


def _context(project: Path, folder: Path) -> Any:
    context = gx.get_context(mode="file", project_root_dir=project)
    for name in list(context.get_site_names()):
        context.delete_data_docs_site(name)
    store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(folder)}
    index = {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False, "store_backend": store}
    context.add_data_docs_site(SITE, {**site, "site_index_builder": index})
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _add(context: Any, suite: gx.ExpectationSuite, checks: Sequence[Check], rows: int) -> None:
    found = {(check.reason, check.column): check for check in checks if check.suite == suite.name}
    for expectation in suite.expectations:
        expectation.description = _description(expectation)
    context.suites.add(suite)
    results = [_result(e, found[_key(e)], rows) for e in suite.expectations if _key(e) in found]
    good = sum(bool(r.success) for r in results)
    validation = ExpectationSuiteValidationResult(
        success=good == len(results),
        results=results,
        suite_name=suite.name,
        statistics={
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": 100.0 * good / max(len(results), 1),
        },
        meta={"great_expectations_version": gx.__version__},
    )
    name = ExpectationSuiteIdentifier(name=suite.name)
    identifier = ValidationResultIdentifier(name, run_id=None, batch_identifier=f"{suite.name} of {rows} rows")
    context.validation_results_store.store_validation_results(validation, identifier, name)


def _key(expectation: Any) -> tuple[str, str | None]:
    return expectation.meta["reason"], expectation.configuration.kwargs.get("column")


def _description(expectation: Any) -> str:
    """Return how the pages name an expectation, instead of by its class and arguments."""
    reason = expectation.meta["reason"]
    severity = OURS[expectation.configuration.severity.value]
    return f"{reason} ({severity}): {meaning(reason)}"


def _result(expectation: Any, check: Check, rows: int) -> ExpectationValidationResult:
    share = 100.0 * check.count / max(rows, 1)
    return ExpectationValidationResult(
        success=check.success,
        expectation_config=expectation.configuration,
        result={
            "element_count": rows,
            "unexpected_count": check.count,
            "unexpected_percent": share,
            "unexpected_percent_total": share,
            "unexpected_percent_nonmissing": share,
            "missing_count": 0,
            "missing_percent": 0.0,
        },
    )
