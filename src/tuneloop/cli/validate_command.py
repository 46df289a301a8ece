"""`tuneloop validate`: check files as the data gate would, without running anything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import typer

from tuneloop.errors import DataError, ServiceError

MODULE = "expectations.alone"
UNUSABLE = 2
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def register(app: typer.Typer) -> None:
    app.command("validate", rich_help_panel="Data", context_settings=PASSED_ON, add_help_option=False)(validate)


def validate(context: typer.Context) -> None:
    """Check files of training rows, reviewers' answers or traffic: `tuneloop validate FILE... [OPTIONS]`.

    `tuneloop validate --help` shows the options. Exit codes: 0 nothing found; 1 something found; 2 a file or an
    argument cannot be used.
    """
    from tuneloop.settings import Settings

    try:
        _require_files(context.args)
        code = run_check(context.args, root=project_of(Settings().root))
        _require_alive(context.args, code)
    except (ServiceError, DataError) as error:
        typer.echo(f"error: {error}", err=True)
        code = UNUSABLE  # 1 would say that something was found
    raise typer.Exit(code)


def _require_files(arguments: Sequence[str]) -> None:
    """What cannot be read at all is told at once, not after seconds of imports."""
    from tuneloop.data.files import is_of_known_format, raw_rows
    from tuneloop.readable_files import fault_of, is_missing

    has_format = any(argument.startswith("--format") for argument in arguments)
    found = 0
    for before, argument in pairwise(("", *arguments)):
        path = Path(argument)
        may_be_option = argument.startswith("-") or before.startswith("-")
        if may_be_option or is_missing(path) or (path.is_dir() and not path.suffix):
            found += 1
            continue  # an option or its value, a saved data set, a name on the hub: the check itself knows
        if fault := fault_of(path):
            raise DataError(f"{argument} {fault}")
        is_known = is_of_known_format(path) and not has_format
        found += not is_known or next(iter(raw_rows(path)), None) is not None
    if arguments and not found:
        raise DataError(f"there are no rows in {', '.join(arguments)}")


def _require_alive(arguments: Sequence[str], code: int) -> None:
    if code < 0:
        files = ", ".join(argument for argument in arguments if Path(argument).is_file())
        raise ServiceError(
            f"the check of {files or 'the files'} was ended by {signal.Signals(-code).name}: no memory left, or a file "
            "that a library cannot bear? Look into it with another program, or check it in parts"
        )


def project_of(root: Path) -> Path:
    """The given root where it is a project; else the checkout that this package is installed from, if it is."""
    import tuneloop

    checkout = Path(tuneloop.__file__).parents[2]
    return checkout if not _has_expectations(root) and _has_expectations(checkout) else root


def _has_expectations(root: Path) -> bool:
    return (root / "expectations" / "alone").is_dir()


def run_check(arguments: list[str], *, root: Path) -> int:
    """Run the project's own expectations on the arguments, here in the current folder; returns the exit code.

    In a process of its own, because the library must not import the project's expectations.

    Raises:
        ServiceError: the project's root has no expectations.
    """
    root = root.resolve()
    if not _has_expectations(root):
        raise ServiceError(
            f"there is no expectations/alone in {root}: run this in the project's root, or set TUNELOOP_ROOT"
        )
    environment = {
        **os.environ,
        "TUNELOOP_ROOT": str(root),
        "PYTHONPATH": os.pathsep.join(p for p in (str(root), os.environ.get("PYTHONPATH", "")) if p),
    }
    # -P: a folder of the same name where the user stands must not win over the project's.
    return subprocess.run([sys.executable, "-P", "-m", MODULE, *arguments], env=environment, check=False).returncode
