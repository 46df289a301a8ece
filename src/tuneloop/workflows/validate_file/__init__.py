"""Check files as the data step would, without a stack; nothing is changed and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from tuneloop.ports import Validator
from tuneloop.workflows.validate_file.events import check_events
from tuneloop.workflows.validate_file.request import Checked, Request
from tuneloop.workflows.validate_file.training_rows import check_training_rows

__all__ = ["Checked", "Request", "check_files"]


def check_files(
    request: Request, validator: Validator, progress: Callable[[int], None]
) -> AbstractContextManager[Checked]:
    """Check all files together; `progress` is called with numbers of rows as they are read.

    Raises:
        DataError: a file cannot be read. ModelError: the base has no tokenizer.
    """
    check = check_events if request.suite in {"feedback", "traffic"} else check_training_rows
    return check(request, validator, progress)
