"""The steps of the data's way, in the order in which `prepare.examine` takes them.

A check answers for every row that it sees: kept, or a reason (see `Examined.quarantine`). A step that finds nothing to
work on leaves no trace.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.augmenting import augment
from tuneloop.data.balance import balanced
from tuneloop.data.forgotten import without_forgotten
from tuneloop.data.near_duplicates import normalise
from tuneloop.data.reading import read_sources
from tuneloop.data.relations import RELATION_COLUMNS, Relations, question, relate, relation_columns
from tuneloop.data.row_keys import Facts
from tuneloop.data.slices import slice_values
from tuneloop.data.splitting import stable_sample
from tuneloop.data.stages import Preparation, Prepared, chunked
from tuneloop.ports import Embedder, Executor, Finding, Rewriter, Suite, Validator
from tuneloop.records import Record, Rejection
from tuneloop.results import Step
from tuneloop.row_files import record_of
from tuneloop.tombstones import Tombstones
from tuneloop.workflows.prepare_data.examined import (
    PRIVATE,
    SPLITS,
    TEST,
    TRAIN,
    UNUSED,
    VALIDATION,
    Examined,
    Reason,
    SuiteRun,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


class DataStep(Protocol):
    """One step: it adds to what is known of the rows, and says in `Examined.steps` how many came out of it."""

    def __call__(self, found: Examined) -> None: ...


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Read, clean and look at each row by itself; what cannot be read is rejected with its reason."""

    preparation: Preparation
    root: Path
    workspace: Path
    executor: Executor

    def __call__(self, found: Examined) -> None:
        cleaned: Counter[str] = Counter()
        replaced: Counter[str] = Counter()
        frames = []
        rows = read_sources(found.sources, root=self.root, workspace=self.workspace)
        rows = without_forgotten(rows, Tombstones.of(self.workspace))
        for done in self.executor.map(self.preparation, _chunks(found, rows)):
            prepared: Prepared = done
            found.staging.add(prepared.texts)
            frames.append(prepared.frame)
            found.facts.extend(prepared.facts)
            cleaned += prepared.cleaned
            replaced += prepared.replaced
        found.staging.close()
        staged = found.staging.rows
        found.frame = _joined(frames)
        found.private_ids = {i for i, private in zip(found.ids, found.facts.private, strict=True) if private}
        found.places, found.clusters = np.zeros(staged, np.int8), [""] * staged
        found.steps += [
            Step(name="read", rows_out=staged, removed=dict(found.unreadable)),
            Step(name="clean", rows_out=staged, changed=dict(cleaned)),
            Step(name="treat personal data", rows_out=staged, changed=dict(replaced)),
        ]
        log.info("read %d rows, %d unreadable", found.rows_in.total(), found.unreadable.total())


@dataclass(frozen=True, slots=True)
class CheckRows:
    """Hold each row against what is expected of it by itself."""

    validator: Validator

    def __call__(self, found: Examined) -> None:
        data = found.recipe.data
        suite = Suite("pairs" if data.kind == "preference" else "rows", data.checks, max_tokens=found.max_tokens)
        if found.frame is None:
            found.runs.append(SuiteRun(suite, 0, []))
            return
        reasons = _check(found, suite, found.frame, self.validator)
        found.quarantine("check rows", len(found.frame), reasons)


@dataclass(frozen=True, slots=True)
class CompareRows:
    """Hold the rows that are left against each other: their splits, near-duplicates and contradictions."""

    validator: Validator
    embedder: Embedder | None

    def __call__(self, found: Examined) -> None:
        suite = Suite("relations", found.recipe.data.checks)
        left = np.flatnonzero(found.places == TRAIN)
        if found.frame is None or not len(left):
            found.runs.append(SuiteRun(suite, 0, []))
            return
        some = found.facts.of(left)
        relations = relate(some, found.recipe.data, embedder=self.embedder)
        _place(found, relations, some, left)
        related = relation_columns(some.ids, relations)
        reasons = _check(found, suite, related, self.validator)
        found.quarantine("compare rows", len(related), {int(left[row]): why for row, why in reasons.items()})


@dataclass(frozen=True, slots=True)
class LimitRows:
    """Balance the training rows, then leave out what the recipe's limits do not want."""

    def __call__(self, found: Examined) -> None:
        data = found.recipe.data
        reviewed = {i for i, is_feedback in zip(found.ids, found.facts.feedback, strict=True) if is_feedback}
        if data.balance and data.balance.method == "downsample":
            slices = _slices(found, data.balance.by)
            kept = balanced(slices, data.balance, data.split_salt, protected=reviewed).kept
            _leave_out(found, TRAIN, {i for ids in slices.values() for i in ids} - kept)
        for place, limit in ((TRAIN, data.max_train_rows), (VALIDATION, data.max_validation_rows)):
            if limit is not None:
                ids = [found.ids[i] for i in np.flatnonzero(found.places == place)]
                free = [i for i in ids if i not in reviewed]
                sample = stable_sample(free, limit - (len(ids) - len(free)), data.split_salt)
                _leave_out(found, place, set(free) - set(sample))
        if data.balance and data.balance.method == "upsample":
            found.copies = dict(balanced(_slices(found, data.balance.by), data.balance, data.split_salt).repeated)
        left = int((found.places <= PRIVATE).sum())
        removed = {"unused": found.rows_unused} if found.rows_unused else {}
        changed = {"repeated": sum(found.copies.values())} if found.copies else {}
        found.steps.append(Step(name="balance and limits", rows_out=left, removed=removed, changed=changed))


@dataclass(frozen=True, slots=True)
class AddSyntheticRows:
    """Make more training rows of those that there are, where the recipe asks for it."""

    root: Path
    embedder: Embedder | None
    rewriter: Rewriter | None

    def __call__(self, found: Examined) -> None:
        data = found.recipe.data
        if data.augmentation is None:
            return
        forbidden = [
            normalise(question(record_of(text)))
            for place, text in zip(found.places, found.staging.texts(), strict=True)
            if place in {VALIDATION, TEST, PRIVATE}
        ]
        grown = augment(
            list(found.training_rows()),
            data.augmentation,
            root=self.root,
            embedder=self.embedder,
            rewriter=self.rewriter,
            forbidden_prompts=forbidden,
            answer=data.answer,
            near=data.checks.near_duplicate_jaccard,
        )
        found.synthetic, found.facts_of_synthetic = grown.rows, dict(grown.facts)
        rows = found.steps[-1].rows_out + len(grown.rows)
        changed = {"synthetic": len(grown.rows)}
        found.steps.append(Step(name="add synthetic rows", rows_out=rows, changed=changed))


def first_reasons(findings: Iterable[Finding], frame: pd.DataFrame) -> dict[int, Reason]:
    """Return row of the frame -> why it leaves; the other rows are kept. Of several findings the first counts."""
    import pandas as pd

    index = pd.Index(frame["id"])
    reasons: dict[int, Reason] = {}
    for finding in (f for f in findings if f.severity != "warn" and f.row_ids):
        rows = index.get_indexer_for(list(finding.row_ids))
        values = frame[finding.column].iloc[rows] if finding.column else [""] * len(rows)
        for row, value in zip(rows, values, strict=True):
            related = str(value) if finding.reason in RELATION_COLUMNS else None
            reasons.setdefault(int(row), Reason(finding.reason, f"{finding.column}: {value}", related))
    return reasons


def _check(found: Examined, suite: Suite, frame: pd.DataFrame, validator: Validator) -> dict[int, Reason]:
    findings = validator.validate(frame, suite)
    found.runs.append(SuiteRun(suite, len(frame), findings))
    return first_reasons(findings, frame)


def _chunks(found: Examined, rows: Iterable[Record | Rejection]) -> Iterator[list[Record]]:
    """The readable rows in chunks; all rows are counted as they come."""

    def reject(rejection: Rejection) -> None:
        found.rows_in[rejection.source] += 1
        found.unreadable[rejection.reason] += 1
        found.staging.reject(rejection)

    for chunk in chunked(rows, reject):
        found.rows_in.update(r.source for r in chunk)
        yield chunk


def _place(found: Examined, relations: Relations, facts: Facts, left: NDArray[np.int64]) -> None:
    found.places[left] = [SPLITS.index(s) for s in relations.splits]
    for index, cluster in zip(left, relations.clusters, strict=True):
        found.clusters[index] = cluster
    gone: dict[str, list[str]] = {}
    for row, duplicate in relations.duplicates.items():
        if duplicate.kind != "contradiction":
            gone.setdefault(facts.ids[duplicate.duplicate_of], []).append(facts.ids[row])
    found.near_copies = sorted(gone.items(), key=lambda item: (-len(item[1]), item[0]))


def _leave_out(found: Examined, place: int, ids: set[str]) -> None:
    for index in np.flatnonzero(found.places == place):
        if found.ids[index] in ids:
            found.places[index] = UNUSED


def _slices(found: Examined, by: str) -> dict[str, list[str]]:
    slices: dict[str, list[str]] = {}
    for record in found.training_rows():
        for value in slice_values(record, by, found.recipe.data.answer):
            slices.setdefault(value, []).append(record.id)
    return slices


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """One frame; columns of few values stay categories, which pandas would else turn into text."""
    import pandas as pd
    from pandas.api.types import union_categoricals

    if not frames:
        return None
    categories = [c for c in frames[0].columns if isinstance(frames[0][c].dtype, pd.CategoricalDtype)]
    whole = pd.concat([f.drop(columns=categories) for f in frames], ignore_index=True)
    for column in categories:
        whole[column] = union_categoricals([f[column] for f in frames])
    return whole
