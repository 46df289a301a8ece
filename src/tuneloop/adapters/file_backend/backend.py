"""The `AnnotationBackend` on files: sheets go out, filled-in copies come back and are saved in a ledger."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tuneloop.adapters.file_backend.importing import Import, read_answers, read_sheet
from tuneloop.adapters.file_backend.sheets import REVIEWER, asked_columns, shown, shown_cells, shown_columns
from tuneloop.adapters.file_backend.stored_files import (
    KeptSet,
    keep_copy,
    keep_set,
    load_set,
    load_sets,
    with_missing,
    write_unless_changed,
)
from tuneloop.adapters.file_backend.text_sheets import csv_text, json_text
from tuneloop.adapters.file_backend.workbooks import workbook
from tuneloop.ports import ReviewAnswer, ReviewForm, ReviewItem, SetProgress
from tuneloop.records import content_hash
from tuneloop.review.rows import locked, read_rows, write_rows

KEPT, ANSWERS, IMPORTED = ".desk", "answers.jsonl", "imported"


@dataclass(frozen=True, slots=True)
class ReviewFiles:
    """A set's files as people find them, and how far it is."""

    progress: SetProgress
    files: tuple[Path, ...]


class FileBackend:
    """A `AnnotationBackend` in one folder.

    Args:
        folder: of one recipe. pseudonym_key: what reviewers' names are hashed with, see `tuneloop.pseudonyms`.
    """

    def __init__(self, folder: Path, *, pseudonym_key: bytes) -> None:
        self._folder = folder
        self._kept = folder / KEPT
        self._key = pseudonym_key

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        """Write the set's sheets if they are not there, add the items that are missing; returns the workbook's address.

        A sheet in which somebody has written is left alone: a fresh one is written beside it.
        """
        with locked(self._kept):
            kept = with_missing(load_set(self._kept / "sets", name), name, form, items)
            keep_set(self._kept / "sets", kept)
            return self._write_sheets(kept)[0].absolute().as_uri()

    def answers(self, project: str) -> list[ReviewAnswer]:
        """All answers, whatever their status, of all review sets whose name starts with `project`, oldest first."""
        found = [answer for answer in self._ledger().values() if answer.review_set.startswith(project)]
        return sorted(found, key=lambda answer: (answer.submitted_at, answer.response_id))

    def progress(self, project: str) -> list[SetProgress]:
        """How far these sets are, in the order of their names. Reviewers are those whose files were ever read."""
        answers = list(self._ledger().values())
        reviewers = sorted({answer.reviewer for answer in answers})
        return [self._progress_of(kept, answers, reviewers) for kept in load_sets(self._kept / "sets", project)]

    def files(self, project: str = "") -> list[ReviewFiles]:
        """The sets with their files, which are written again if they are gone."""
        with locked(self._kept):
            sets = {kept.name: kept for kept in load_sets(self._kept / "sets", project)}
            return [ReviewFiles(p, self._write_sheets(sets[p.review_set])) for p in self.progress(project)]

    def review_sets(self) -> set[str]:
        """Names of all sets that were published here."""
        return {kept.name for kept in load_sets(self._kept / "sets")}

    def copies_for(self, reviewer: str, *, adjudicates: bool = False) -> list[Path]:
        """A workbook per set with the reviewer's name in each row; one that was written to is left alone.

        Sets for adjudication are for those who `adjudicates`, and only for them.
        """
        name = re.sub(r"[^\w-]+", "-", reviewer.casefold()).strip("-") or "reviewer"
        with locked(self._kept):
            return [
                self._write(
                    self._folder / "copies" / f"{kept.name}-{name}.xlsx", kept, partial(_workbook, kept, reviewer)
                )
                for kept in load_sets(self._kept / "sets")
                if kept.form.kind != "adjudication" or adjudicates
            ]

    def import_file(self, path: Path, *, reviewer: str = "") -> Import:
        """Take in a file that somebody filled in; the same file again changes nothing, a newer copy replaces.

        Rows that are empty, or that something is wrong with, leave what was read before as it is. The file itself is
        kept too.

        Raises:
            DataError: it cannot be read at all; nothing is taken from it.
        """
        rows = read_sheet(path)
        now = datetime.now(UTC).isoformat(timespec="microseconds")
        with locked(self._kept):
            sets = load_sets(self._kept / "sets")
            answers, report = read_answers(rows, sets, reviewer=reviewer, key=self._key, now=now)
            keep_copy(path, self._kept / IMPORTED)
            ledger = self._ledger()
            for answer in answers:
                _merge(ledger, answer, report)
            write_rows(self._kept / ANSWERS, (asdict(answer) for answer in ledger.values()))
        return report

    def _ledger(self) -> dict[str, ReviewAnswer]:
        rows = read_rows(self._kept / ANSWERS)
        return {row["response_id"]: ReviewAnswer(**row | {"issues": tuple(row["issues"])}) for row in rows}

    def _write_sheets(self, kept: KeptSet) -> tuple[Path, ...]:
        """The workbook, the CSV file and the JSONL file."""
        makers = {".xlsx": partial(_workbook, kept, ""), ".csv": partial(_csv, kept), ".jsonl": partial(_json, kept)}
        return tuple(self._write(self._folder / f"{kept.name}{end}", kept, make) for end, make in makers.items())

    def _write(self, path: Path, kept: KeptSet, make: Callable[[], bytes]) -> Path:
        meaning = content_hash([kept.form.kind, *(item.id for item in kept.items)])
        return write_unless_changed(path, make, meaning=meaning, notes=self._kept)

    def _progress_of(self, kept: KeptSet, answers: Iterable[ReviewAnswer], reviewers: Sequence[str]) -> SetProgress:
        submitted: Counter[str] = Counter()
        seen: dict[str, set[str]] = defaultdict(set)
        for answer in answers:
            if answer.review_set == kept.name and answer.status != "draft":
                submitted[answer.item_id] += answer.status == "submitted"
                seen[answer.item_id].add(answer.reviewer)
        wanted = kept.form.min_submitted
        unfinished = [item.id for item in kept.items if submitted[item.id] < wanted]
        return SetProgress(
            review_set=kept.name,
            kind=kept.form.kind,
            url=(self._folder / f"{kept.name}.xlsx").absolute().as_uri(),
            records=len(kept.items),
            completed=len(kept.items) - len(unfinished),
            min_submitted=wanted,
            waiting={who: sum(who not in seen[item] for item in unfinished) for who in reviewers},
        )


def _workbook(kept: KeptSet, reviewer: str) -> bytes:
    rows = [{**_fitting(shown_cells(item, kept.name, kept.form)), REVIEWER: reviewer} for item in kept.items]
    return workbook(shown_columns(kept.form), asked_columns(kept.form), rows, kept.form.guidelines)


def _csv(kept: KeptSet) -> bytes:
    header = (*shown_columns(kept.form), *(column.name for column in asked_columns(kept.form)))
    rows = [_fitting(shown_cells(item, kept.name, kept.form)) for item in kept.items]
    return csv_text(header, rows).encode("utf-8", "replace")


def _json(kept: KeptSet) -> bytes:
    """Whole texts, also those that do not fit into a cell."""
    asked = [column.name for column in asked_columns(kept.form)]
    rows = [shown_cells(item, kept.name, kept.form) for item in kept.items]
    return json_text(shown_columns(kept.form), asked, rows).encode("utf-8", "replace")


def _fitting(cells: dict[str, str]) -> dict[str, str]:
    return {name: shown(text) for name, text in cells.items()}


def _merge(ledger: dict[str, ReviewAnswer], answer: ReviewAnswer, report: Import) -> None:
    """An answer that says the same as before keeps its time, so that reading a file twice is reading it once."""
    old = ledger.get(answer.response_id)
    if old is not None and replace(answer, submitted_at=old.submitted_at) == old:
        report.unchanged += 1
        return
    report.new += old is None
    report.changed += old is not None
    ledger[answer.response_id] = answer
