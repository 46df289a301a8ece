"""The command line of a check: what it accepts, and what `--help` says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from tuneloop.recipes import Cleaning
from tuneloop.severities import Severity

Format = Literal["auto", "jsonl", "json", "csv", "parquet", "huggingface"]
Suite = Literal["sft", "preference", "feedback", "traffic"]
Policy = Literal["quarantine", "redact", "pseudonymise"]

DESCRIPTION = """Check files of training rows, reviewers' answers or traffic, as the data gate of the loop would. No
file is changed, nothing leaves this machine, and no text of a row is shown; in the report only with every
name and number masked."""

EPILOG = """exit codes: 0 nothing found at or above --fail-on; 1 something found; 2 a file or argument cannot be used.
Findings have three grades: `block` (nothing may be trained on this), `quarantine` (the row would be set aside) and
`warn` (reported only). Rows that cannot be read count as `quarantine`."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for. Paths are as given: they start at the current folder."""

    files: tuple[str, ...]
    suite: Suite | None
    recipe: Path | None
    base: Path | None
    pii: Policy | None
    cleaning: tuple[Cleaning, ...]
    languages: tuple[str, ...] | None
    names: bool
    columns: dict[str, str]
    file_format: Format
    fail_on: Severity
    as_json: bool
    report: Path | None
    data_docs: Path | None
    clean_out: Path | None
    quarantine_out: Path | None


def parse(argv: Sequence[str] | None = None) -> Options:
    """The options of a command line; ends the program with code 2 and a message where it makes no sense."""
    given = vars(_parser().parse_args(argv))
    languages = given.pop("language")
    return Options(
        files=tuple(given.pop("files")),
        languages=None if languages is None else tuple(code for code in languages if code != "any"),
        columns=dict(given.pop("column")),
        cleaning=tuple(given.pop("clean")),
        **given,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tuneloop validate",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add: Any = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="JSONL, JSON, CSV or Parquet, also compressed")
    _add_what(parser.add_argument_group("what is expected"))
    _add_how(parser.add_argument_group("how files are read"))
    _add_results(parser.add_argument_group("what comes out"))
    return parser


def _add_what(group: Any) -> None:
    add = group.add_argument
    add("--suite", choices=get_args(Suite), help="sft if left out, preference where rows have a rejected answer")
    add("--recipe", type=Path, help="take thresholds, answer format, longest example and system prompt from a recipe")
    add("--base", type=Path, metavar="FOLDER", help="a model folder: lengths are checked in tokens of its tokenizer")
    add("--pii", choices=get_args(Policy), help="what becomes of personal data (default: the recipe, quarantine)")
    add(
        "--clean",
        action="append",
        default=[],
        choices=get_args(Cleaning),
        help="repair texts before they are checked, repeatable (default: what the recipe says, else nothing)",
    )
    add("--language", action="append", metavar="CODE", help="ISO 639-1, repeatable; `any` allows all (default: en)")
    add("--no-names", dest="names", action="store_false", help="do not look for names of people (faster)")


def _add_how(group: Any) -> None:
    add = group.add_argument
    add("--column", action="append", default=[], type=_pair, metavar="OURS=THEIRS", help="a column by another name")
    add("--format", dest="file_format", choices=get_args(Format), default="auto", help="default: by the file's ending")


def _add_results(group: Any) -> None:
    add = group.add_argument
    add("--fail-on", choices=get_args(Severity), default="quarantine", help="the mildest finding that ends with code 1")
    add("--json", dest="as_json", action="store_true", help="one JSON object instead of the table")
    add("--report", type=Path, metavar="FILE.html", help="write the data report")
    add("--data-docs", type=Path, metavar="FOLDER", help="write Great Expectations' pages")
    add("--clean-out", type=Path, metavar="FILE.jsonl", help="write the rows that pass, repaired and treated")
    add("--quarantine-out", type=Path, metavar="FILE.jsonl", help="write the others with their reasons and raw text")


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise argparse.ArgumentTypeError(f"{text!r} is not OURS=THEIRS, such as prompt=ticket_text")
    return ours, theirs
