"""Rows to be tested, and the files that an evaluation leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import DataError
from tuneloop.files import atomic_path, write_jsonl
from tuneloop.records import Record, content_hash
from tuneloop.row_files import read_table, record_of

if TYPE_CHECKING:
    import pandas as pd

    from tuneloop.results import EvaluationReport

TestRow = tuple[Record, str]
"""A record and the name of its cluster."""


def read_test_rows(file: Path, max_rows: int | None, *, may_be_empty: bool = False) -> list[TestRow]:
    """Test rows of a data version, ordered by the hash of their ids; `max_rows` takes the first of them.

    So a sample stays what it is when rows are added elsewhere in the file.

    Raises:
        DataError: no such file, or no rows in it.
    """
    rows = read_table(file).to_pylist()
    if not rows and not may_be_empty:
        raise DataError(f"{file} holds no rows: nothing can be said of a model without test rows")
    rows.sort(key=lambda row: content_hash(row["id"]))
    return [(record_of(row["record"]), str(row["cluster"])) for row in rows[:max_rows]]


def read_scores(report: EvaluationReport, metric: str, *columns: str) -> pd.DataFrame | None:
    """Return `cluster`, `score` and these columns by row id, of the test rows or of the suite that has the metric.

    None: neither has it, or the file is gone.
    """
    import pandas as pd
    from pyarrow import parquet

    main, wanted = Path(report.scores), ["id", "cluster", metric, *columns]
    for file in (main, *(main.with_name(f"{suite}.parquet") for suite in report.suites)):
        if file.is_file() and set(wanted) <= set(parquet.read_schema(file).names):
            return pd.read_parquet(file, columns=wanted).set_index("id").rename(columns={metric: "score"})
    return None


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
