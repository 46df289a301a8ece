"""How far a judge agreed with people when it was last tried: kept beside what they said, for the review report."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from tuneloop.results import JudgeAgreement
from tuneloop.review.rows import locked, read_rows, write_rows

JUDGE = "judge.jsonl"


def keep_judge_agreement(folder: Path, agreement: JudgeAgreement) -> None:
    """Replace what is known; the file has one line."""
    with locked(folder):
        write_rows(folder / JUDGE, [agreement.model_dump(mode="json")])


def read_judge_agreement(folder: Path) -> JudgeAgreement | None:
    """None where no judge was tried yet, or another release of tuneloop wrote the file."""
    try:
        return next((JudgeAgreement.model_validate(row) for row in read_rows(folder / JUDGE)), None)
    except ValidationError:
        return None
