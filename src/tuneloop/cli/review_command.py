"""`tuneloop review`: the people who review, their progress, and files for teams without a server."""

from __future__ import annotations

import typer

review_app = typer.Typer(help=__doc__, no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.add_typer(review_app, name="review")
