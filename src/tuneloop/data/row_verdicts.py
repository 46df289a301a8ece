"""What people who looked at training rows said of them: leave this one out, mend that one.

A verdict is on a row as people saw it. Once the row's source gives another answer, it is another row, and the verdict
says nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.records import Message, Record

Verdicts = Mapping[str, Sequence["RowVerdict"]]
"""Row id -> verdicts, in the order in which they were given."""


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """`answer` is the row's answer as people saw it, `completion` what it should be; None: the row is to go.

    `extra` says who said so in which review set; a mended row carries it.
    """

    answer: str
    completion: str | None
    extra: Mapping[str, Any]

    @property
    def told(self) -> str:
        """Who wants the row out, as the quarantine tells it."""
        return f"{self.extra.get('reviewer', 'a reviewer')} in {self.extra.get('review_set', 'a review set')}"


def read_row_verdicts(file: Path | None) -> dict[str, list[RowVerdict]]:
    """The verdicts of a feedback folder; none where nobody has looked at rows yet.

    Raises:
        DataError: a line is damaged.
    """
    if file is None or not file.is_file():
        return {}
    found: dict[str, list[RowVerdict]] = {}
    rows = [_parsed(line, file) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()]
    for row, verdict in sorted(rows, key=lambda row: str(row[1].extra.get("reviewed_at", ""))):
        found.setdefault(row, []).append(verdict)
    return found


def apply_verdicts(record: Record, verdicts: Verdicts) -> tuple[Record, str]:
    """The row as people want it, and who wants it out ("" for nobody). Test rows are not for reviewers to change."""
    if record.held_out:
        return record, ""
    given = record.extra.get("given_id")
    for verdict in (*verdicts.get(record.id, ()), *verdicts.get(str(given), ())):
        if _words(verdict.answer) != _words(record.completion):
            continue
        if verdict.completion is None:
            return record, verdict.told
        messages = (*record.messages[:-1], Message("assistant", verdict.completion))
        record = replace(record, messages=messages, extra={**record.extra, **verdict.extra})
    return record, ""


def _words(text: str) -> str:
    """Backends may trim lines and turn their ends."""
    return " ".join(text.split())


def _parsed(line: str, file: Path) -> tuple[str, RowVerdict]:
    try:
        row = json.loads(line)
        return row["row"], RowVerdict(row["answer"], row["completion"], dict(row["extra"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged; collect the feedback again to have it written anew") from error
