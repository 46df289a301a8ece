"""Where commands print: a terminal as wide as it is, a pipe without folding."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDE = 10_000
"""Columns of a pipe: rows are never folded there, so that `grep` and `cut` work."""


def wide_console(*, quiet: bool = False) -> Console:
    """Return a console; rich is loaded only now, as `tuneloop --help` needs none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, quiet=quiet)
