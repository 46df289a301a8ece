"""Two answers to one prompt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.records import content_hash
from tuneloop.results import EvaluationReport


@dataclass(frozen=True, slots=True)
class Pair:
    """What a judge sees of a row: the prompt as plain text, the candidate's answer and the reference's.

    `cluster` names the near-relatives that the row belongs to.
    """

    id: str
    cluster: str
    prompt: str
    candidate: str
    reference: str


def read_pairs(candidate: EvaluationReport, reference: EvaluationReport, *, max_rows: int | None) -> list[Pair]:
    """The answers of two models to the rows that both were tested on, ordered by the hash of their ids.

    `max_rows` takes the first of them: a sample that stays what it is when rows are added.

    Raises:
        DataError: a file of a report is gone or torn, or no row has the same prompt in both reports.
    """
    ours, theirs = _answers(Path(candidate.answers)), _answers(Path(reference.answers))
    clusters = _clusters(Path(candidate.scores))
    # Placeholders for personal data are made anew in each data version: an id alone does not promise the same prompt.
    shared = sorted((i for i in ours if i in theirs and ours[i][0] == theirs[i][0]), key=content_hash)
    if not shared:
        raise DataError("the two models were not tested on the same rows; evaluate both on one data version")
    return [Pair(i, clusters.get(i, i), *ours[i], theirs[i][1]) for i in shared[:max_rows]]


def _answers(file: Path) -> Mapping[str, tuple[str, str]]:
    """Row id -> (prompt, answer)."""
    try:
        lines = file.read_bytes().split(b"\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        return {str(row["id"]): (row["prompt"], row["answer"]) for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} cannot be read ({type(error).__name__}); evaluate the model again") from error


def _clusters(file: Path) -> Mapping[str, str]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(file, columns=["id", "cluster"])
    except (OSError, ArrowException) as error:
        raise DataError(f"{file} cannot be read ({type(error).__name__}); evaluate the model again") from error
    return dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))
