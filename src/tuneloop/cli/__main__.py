"""`python -m tuneloop.cli` is the same as `tuneloop`."""

from tuneloop.cli.app import app

app()
