"""`tuneloop validate`: check files as the data step would, without running anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tuneloop.errors import DataError, TuneloopError
from tuneloop.readable_files import fault_of, is_missing
from tuneloop.severities import RANK, Severity

if TYPE_CHECKING:
    from tuneloop.ports import Validator
    from tuneloop.workflows.validate_file import Checked, Request

FINE, FOUND, UNUSABLE = 0, 1, 2

# As in the recipes, which take half a second to load; a test holds the two against each other.
Suite = Literal["sft", "preference", "feedback", "traffic"]
Policy = Literal["quarantine", "redact", "pseudonymise"]
Cleaning = StrEnum("Cleaning", ["unicode", "html", "mail", "boilerplate"])  # Typer knows no lists of literals
Format = Literal["auto", "jsonl", "json", "csv", "parquet", "huggingface"]

EPILOG = """Exit codes: 0 nothing found at or above --fail-on; 1 something found; 2 a file or argument cannot be used.
Findings have three grades: `block` (nothing may be trained on this), `quarantine` (the row would be set aside) and
`warn` (reported only). Rows that cannot be read count as `quarantine`."""


def register(app: typer.Typer) -> None:
    names = {"help_option_names": ["-h", "--help"]}
    app.command("validate", rich_help_panel="Data", epilog=EPILOG, context_settings=names)(validate)


def _pair(text: str) -> str:
    ours, _, theirs = text.partition("=")
    if not (ours and theirs):
        raise typer.BadParameter(f"{text!r} is not OURS=THEIRS, such as prompt=ticket_text")
    return text


def validate(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="JSONL, JSON, CSV or Parquet, also compressed")],
    *,
    suite: Annotated[
        Suite | None, typer.Option(help="sft if left out, preference where rows have a rejected answer")
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(help="take thresholds, answer format, longest example and system prompt from a recipe"),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="a model folder: lengths are checked in tokens of its tokenizer"),
    ] = None,
    pii: Annotated[
        Policy | None, typer.Option(help="what becomes of personal data (default: the recipe, quarantine)")
    ] = None,
    clean: Annotated[
        list[Cleaning] | None,
        typer.Option(
            help="repair texts before they are checked, repeatable (default: what the recipe says, else nothing)"
        ),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="ISO 639-1, repeatable; `any` allows all (default: en)"),
    ] = None,
    no_names: Annotated[bool, typer.Option("--no-names", help="do not look for names of people (faster)")] = False,
    column: Annotated[
        list[str] | None,
        typer.Option(parser=_pair, metavar="OURS=THEIRS", help="a column by another name"),
    ] = None,
    file_format: Annotated[Format, typer.Option("--format", help="default: by the file's ending")] = "auto",
    fail_on: Annotated[Severity, typer.Option(help="the mildest finding that ends with code 1")] = "quarantine",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object instead of the table")] = False,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="write the data report")] = None,
    data_docs: Annotated[Path | None, typer.Option(metavar="FOLDER", help="write Great Expectations' pages")] = None,
    clean_out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="write the rows that pass, repaired and treated")
    ] = None,
    quarantine_out: Annotated[
        Path | None, typer.Option(metavar="FILE.jsonl", help="write the others with their reasons and raw text")
    ] = None,
) -> None:
    """Check files of training rows, reviewers' answers or traffic, as the data step of the loop would. No
    file is changed, nothing leaves this machine, and no text of a row is shown; in the report only with every
    name and number masked.
    """
    # A wrong path is reported before anything is imported that takes seconds.
    try:
        _require_files(files)
        _require_rows(files, file_format)
        request = _request(
            files,
            recipe,
            suite=suite,
            base=base,
            pii_policy=pii,
            cleaning=tuple(step.value for step in clean or ()),
            languages=None if language is None else tuple(code for code in language if code != "any"),
            names=not no_names,
            columns=dict(pair.split("=", 1) for pair in column or ()),
            file_format=file_format,
        )
        outputs = _Outputs(clean_out, quarantine_out, report, data_docs)
        code = _check(request, outputs, fail_on=fail_on, as_json=as_json)
    except (TuneloopError, OSError) as error:
        with suppress(BrokenPipeError):
            typer.echo(f"error: {error}", err=True)
        code = UNUSABLE  # 1 would say that something was found
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Outputs:
    clean: Path | None
    quarantine: Path | None
    report: Path | None
    data_docs: Path | None

    def write(self, checked: Checked, validator: Validator) -> None:
        """Write what was asked for, while the rows are at hand. Rows are for their owner's eyes alone."""
        from tuneloop.data.snapshots import write_quarantine
        from tuneloop.review.rows import write_rows

        if self.clean:
            write_rows(self.clean, checked.passing)
        if self.quarantine:
            write_quarantine(self.quarantine, checked.rejections)
        if self.report:
            from tuneloop.reports.data.page import render_data_page

            self.report.write_text(render_data_page(checked.manifest, None), encoding="utf-8")
        if self.data_docs:
            checks = checked.manifest.checks
            validator.write_pages(self.data_docs, [(suite, checks, rows) for suite, rows in checked.suites])


def _require_files(files: Sequence[str]) -> None:
    for file in files:
        path = Path(file)
        if is_missing(path):
            if path.suffix or path.is_absolute():
                raise DataError(f"there is no file {file}")
        elif not _may_be_saved(path) and (fault := fault_of(path)):
            raise DataError(f"{file} {fault}")


def _require_rows(files: Sequence[str], file_format: Format) -> None:
    from tuneloop.data.files import is_of_known_format, raw_rows

    def may_have_rows(path: Path) -> bool:
        if is_missing(path) or _may_be_saved(path) or file_format != "auto" or not is_of_known_format(path):
            return True  # the check itself knows
        return next(iter(raw_rows(path)), None) is not None

    found = [may_have_rows(Path(file)) for file in files]  # of every file: what cannot be read is an error
    if not any(found):
        raise DataError(f"there are no rows in {', '.join(files)}")


def _may_be_saved(path: Path) -> bool:
    """Whether the path may be a data set in a folder."""
    return path.is_dir() and not path.suffix


def _request(files: Sequence[str], recipe: Path | None, **wanted: Any) -> Request:
    from tuneloop.cli.wiring import project_root
    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings
    from tuneloop.workflows.validate_file import Request

    here = Settings()
    here = Settings(root=project_root(here))
    read = readable_recipe(recipe, root=here.root, workspace=here.workspace_path) if recipe else None
    return Request(files, root=here.root, workspace=here.workspace_path, recipe=read, **wanted)


def _check(request: Request, outputs: _Outputs, *, fail_on: Severity, as_json: bool) -> int:
    from rich.console import Console

    from tuneloop.cli import wiring
    from tuneloop.cli.validate_display import PIPE_WIDTH, print_checked, rows_read, summary_of
    from tuneloop.workflows.validate_file import check_files

    validator = wiring.validator(request.root)
    with rows_read(Console(stderr=True)) as progress, check_files(request, validator, progress) as checked:
        if not checked.manifest.rows_in:
            raise DataError(f"there are no rows in {', '.join(request.files)}")
        outputs.write(checked, validator)
    if as_json:
        typer.echo(json.dumps(summary_of(checked), indent=2, ensure_ascii=False))
    else:
        width = None if sys.stdout.isatty() else PIPE_WIDTH
        print_checked(checked, Console(width=width, highlight=False), request.files)
    worst = checked.worst
    return FOUND if worst is not None and RANK.index(worst) >= RANK.index(fail_on) else FINE
