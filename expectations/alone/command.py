"""Check files, show what was found, write what was asked for; the exit code says whether it will do."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from expectations.alone.options import Options, parse
from tuneloop.errors import DataError, TuneloopError

if TYPE_CHECKING:
    from expectations.alone.checked import Checked

FINE, FOUND, UNUSABLE = 0, 1, 2
EVENTS = ("feedback", "traffic")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; see `options.EPILOG` for the exit codes."""
    options = parse(argv)
    try:
        return _check(options)
    except (TuneloopError, OSError) as error:
        with suppress(BrokenPipeError):
            print(f"error: {error}", file=sys.stderr)
        return UNUSABLE


def _check(options: Options) -> int:
    from rich.console import Console

    from expectations.alone.display import PIPE_WIDTH, as_json, print_checked, rows_read
    from expectations.alone.events import check_events
    from expectations.alone.training_rows import check_training_rows
    from tuneloop.severities import RANK

    check = check_events if options.suite in EVENTS else check_training_rows
    with rows_read(Console(stderr=True)) as progress, check(options, progress) as checked:
        if not checked.manifest.rows_in:
            raise DataError(f"there are no rows in {', '.join(options.files)}")
        _write(options, checked)
    if options.as_json:
        print(json.dumps(as_json(checked), indent=2, ensure_ascii=False))
    else:
        print_checked(
            checked, Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False), options.files
        )
    worst = checked.worst
    return FOUND if worst is not None and RANK.index(worst) >= RANK.index(options.fail_on) else FINE


def _write(options: Options, checked: Checked) -> None:
    """What was asked for, while the rows are at hand. Files with text of rows are for the owner's eyes alone."""
    from tuneloop.data.snapshots import write_quarantine
    from tuneloop.review.rows import write_rows

    if options.clean_out:
        write_rows(options.clean_out, checked.passing)
    if options.quarantine_out:
        write_quarantine(options.quarantine_out, checked.rejections)
    if options.report:
        from tuneloop.reports.data.page import render_data_page

        options.report.write_text(render_data_page(checked.manifest, None), encoding="utf-8")
    if options.data_docs:
        from expectations.data_docs import write_data_docs

        checks = checked.manifest.checks
        write_data_docs(options.data_docs, [(suite, checks, rows) for suite, rows in checked.suites])
