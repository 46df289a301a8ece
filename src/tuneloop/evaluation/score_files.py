"""Rows to be tested, and the files that an evaluation leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import DataError
from tuneloop.files import atomic_path, write_jsonl
from tuneloop.records import Record, content_hash

if TYPE_CHECKING:
    import pandas as pd

TestRow = tuple[Record, str]
"""A record and the name of its cluster."""


def read_test_rows(file: Path, max_rows: int | None, *, may_be_empty: bool = False) -> list[TestRow]:
    """Test rows of a data version, ordered by the hash of their ids; `max_rows` takes the first of them.

    So a sample stays what it is when rows are added elsewhere in the file.

    Raises:
        DataError: no such file, or no rows in it.
    """
    from pyarrow import parquet

    try:
        rows = parquet.read_table(file, columns=["id", "cluster", "record"]).to_pylist()
    except FileNotFoundError as error:
        raise DataError(f"there are no test rows at {file}; run the validation first") from error
    if not rows and not may_be_empty:
        raise DataError(f"{file} holds no rows: nothing can be said of a model without test rows")
    rows.sort(key=lambda row: content_hash(row["id"]))
    return [(Record.from_json(json.loads(row["record"])), str(row["cluster"])) for row in rows[:max_rows]]


def write_scores(file: Path, scores: pd.DataFrame) -> None:
    """Parquet, in one step."""
    with atomic_path(file) as draft:
        scores.to_parquet(draft, index=False)


def write_answers(file: Path, records: Sequence[Record], answers: Sequence[str]) -> None:
    """JSONL of id, prompt, answer, expected; for the owner's eyes alone."""
    lines = [
        {"id": record.id, "prompt": record.prompt, "answer": answer, "expected": record.completion}
        for record, answer in zip(records, answers, strict=True)
    ]
    write_jsonl(file, lines, errors="surrogatepass")


def write_suite_answers(file: Path, answers: Sequence[Mapping[str, Any]]) -> None:
    """JSONL of what a suite's items were answered, and why an answer failed; for the owner's eyes alone."""
    write_jsonl(file, answers, errors="surrogatepass")
