"""Make a data version of a recipe's sources; `prepare.py` is where to begin."""

from tuneloop.workflows.prepare_data.prepare import examine, prepare_data

__all__ = ["examine", "prepare_data"]
