"""The `tuneloop` command. Kept light: what a command needs is imported when it runs."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from tuneloop.cli import (
    approval_command,
    backup_commands,
    data_commands,
    export_command,
    forget_command,
    lineage_command,
    models_command,
    private_command,
    repair_command,
    reproduce_command,
    review_command,
    review_files_command,
    review_people_command,
    review_status_command,
    run_commands,
    search_command,
    stack_commands,
    train_command,
    validate_command,
)
from tuneloop.errors import TuneloopError

HELP = """Keep a fine-tuned model up to date: validate, train, evaluate, review, and again.

Start with `tuneloop up`, then `tuneloop run deployments/recipes/NAME.yaml`. Everything stays on this machine, in the
folder .tuneloop of the project (another one: set TUNELOOP_WORKSPACE).
"""


class PlainErrors(TyperGroup):
    """Shows our own errors as one message with exit code 1; only real bugs get a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TuneloopError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            if sentence := _in_words(error):
                typer.echo(f"error: {sentence}", err=True)
                raise typer.Exit(1) from error
            raise


def _in_words(error: OSError) -> str | None:
    from tuneloop.cli.failures import sentence_of
    from tuneloop.settings import Settings

    return sentence_of(error, Settings().workspace_path)


app = typer.Typer(
    cls=PlainErrors,
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, and ours hold secrets
)
stack_commands.register(app)
backup_commands.register(app)
run_commands.register(app)
data_commands.register(app)
forget_command.register(app)
validate_command.register(app)
train_command.register(app)
search_command.register(app)
export_command.register(app)
models_command.register(app)
lineage_command.register(models_command.models_app)
repair_command.register(models_command.models_app)
reproduce_command.register(app)
private_command.register(app)
review_command.register(app)
review_files_command.register(review_command.review_app)
approval_command.register(review_command.review_app)
review_people_command.register(review_command.review_app)
review_status_command.register(review_command.review_app)


@app.callback(invoke_without_command=True)
def main(*, version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
    if version:
        from tuneloop import __version__

        typer.echo(__version__)
        raise typer.Exit


main.__doc__ = HELP

if __name__ == "__main__":
    app()
