"""Read, check and compare the rows of a recipe: everything the data gate knows before it keeps or refuses anything.

Rows live on disk (see `tuneloop.data.staging`); in memory there is a slim frame of what was found in each row, what the
comparison needs, and one small number per row that says where the row goes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.augmenting import augment
from tuneloop.data.balance import balanced, repeats_of
from tuneloop.data.facts import Facts
from tuneloop.data.forgotten import without_forgotten
from tuneloop.data.near_duplicates import normalise
from tuneloop.data.reading import read_sources
from tuneloop.data.relations import RELATION_COLUMNS, Relations, question, relate, relation_columns
from tuneloop.data.row_verdicts import read_row_verdicts
from tuneloop.data.slices import slice_values
from tuneloop.data.splitting import stable_sample
from tuneloop.data.stages import InThisProcess, Preparation, Prepared, chunked
from tuneloop.data.staging import Staging, record_of, record_text, staging
from tuneloop.ports import Embedder, Executor, Rewriter, TokenCounter
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Recipe, Source
from tuneloop.records import Record, Rejection, Split
from tuneloop.results import Step
from tuneloop.tombstones import Tombstones

if TYPE_CHECKING:
    import pandas as pd

    from expectations.validating import Finding

log = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = ("train", "validation", "test", "private")
TRAIN, VALIDATION, TEST, PRIVATE, SET_ASIDE, UNUSED = range(6)


@dataclass(frozen=True, slots=True)
class Departure:
    """Why a row was set aside."""

    reason: str
    detail: str
    related: str | None = None


@dataclass
class Examined:
    """What was found. Rows are named by their index in the order they came; `places` says where each goes."""

    recipe: Recipe
    sources: Sequence[Source]
    staging: Staging
    ids: list[str]
    places: NDArray[np.int8]
    clusters: list[str]
    departures: dict[int, Departure]
    findings: list[tuple[str, Finding]]
    """Suite and outcome, of every expectation, met or not."""
    steps: list[Step]
    has_lengths: bool
    rows_in: Counter[str]
    """Rows by source, unreadable ones included."""
    unreadable: Counter[str]
    """Rows by reason."""
    private_ids: set[str] = field(default_factory=set)
    """All rows of private sources, whatever became of them."""
    near_copies: list[tuple[str, list[str]]] = field(default_factory=list)
    """Ids of the rows that stayed, each with those that left because of it."""
    copies: dict[str, int] = field(default_factory=dict)
    """Id of a training row -> how many times more than once it is trained on."""
    synthetic: list[Record] = field(default_factory=list)
    facts_of_synthetic: dict[str, float] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that this recipe's data has, with rows or without."""
        has_private = any(s.private for s in self.recipe.data.sources)
        return SPLITS if has_private else SPLITS[:PRIVATE]

    @property
    def reasons(self) -> Counter[str]:
        return self.unreadable + Counter(d.reason for d in self.departures.values())

    @property
    def blocking(self) -> list[Finding]:
        return [f for _, f in self.findings if f.severity == "block" and not f.success]

    @property
    def rows_unused(self) -> int:
        return int((self.places == UNUSED).sum())

    @property
    def rows_synthetic(self) -> int:
        return len(self.synthetic) + sum(self.copies.values())

    def count(self, split: Split) -> int:
        there = int((self.places == SPLITS.index(split)).sum())
        return there + self.rows_synthetic if split == "train" else there

    def kept(self) -> Iterator[tuple[Split, str, str, str]]:
        """Split, id, cluster, record as JSON; in the order of the sources, synthetic rows last."""
        clusters: dict[str, str] = {}
        for row_id, place, cluster, text in zip(
            self.ids, self.places, self.clusters, self.staging.texts(), strict=True
        ):
            if place > PRIVATE:
                continue
            yield SPLITS[place], row_id, cluster, text
            if self.synthetic and place == TRAIN:
                clusters[row_id] = cluster
            if row_id in self.copies:
                for copy in repeats_of(record_of(text), self.copies[row_id]):
                    yield "train", copy.id, cluster, record_text(copy)
        for row in self.synthetic:
            origin = str(row.extra.get("synthetic", {}).get("of", ""))
            yield "train", row.id, clusters.get(origin, row.id), record_text(row)

    def rejections(self) -> Iterator[Rejection]:
        """Every row that was set aside, with its text: for the owner's eyes."""
        yield from self.staging.unreadable()
        for index, text in enumerate(self.staging.texts()):
            if why := self.departures.get(index):
                record = record_of(text)
                yield Rejection(
                    record.source, record.line, record.id, why.reason, why.detail, related=why.related, raw=text
                )


@contextmanager
def examine(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    counter: TokenCounter | None = None,
    feedback: Sequence[Source] = (),
    embedder: Embedder | None = None,
    rewriter: Rewriter | None = None,
    executor: Executor | None = None,
    as_of: datetime | None = None,
    verdicts: Path | None = None,
) -> Iterator[Examined]:
    """Examine a recipe's rows; the result can be walked over inside the `with` block.

    Without a `counter`, lengths are not checked. `feedback` are the files that people's reviews became: rows for
    training only, never sampled away. `embedder` and `rewriter` are needed where the recipe asks for meaning or for
    paraphrases. `executor` is where chunks of rows are worked on (here by default); the result does not depend on it.
    `as_of` is the day on which rows are too old or not (now by default). `verdicts` is the file with what people said
    of training rows (see `tuneloop.data.row_verdicts`).

    Raises:
        DataError: a source, or the file of verdicts, cannot be read.
    """
    sources = (*recipe.data.sources, *feedback)
    with staging(workspace) as place:
        preparation = Preparation(
            data=recipe.data,
            feedback=frozenset(s.name for s in feedback),
            max_tokens=recipe.model.max_tokens,
            counter=counter,
            key=pseudonym_key(workspace),
            as_of=as_of or datetime.now(UTC),
            verdicts=read_row_verdicts(verdicts),
        )
        walk = _Walk(recipe, sources, place, has_lengths=counter is not None)
        frame, facts = walk.read(preparation, root, workspace, executor or InThisProcess())
        walk.check_rows(frame)
        walk.compare(frame, facts, embedder)
        walk.limit(facts)
        walk.grow(root, embedder, rewriter)
        yield walk.found


class _Walk:
    """The steps of an examination, one method each; what they find gathers in `found`."""

    def __init__(self, recipe: Recipe, sources: Sequence[Source], place: Staging, *, has_lengths: bool) -> None:
        self.found = Examined(
            recipe=recipe,
            sources=sources,
            staging=place,
            ids=[],
            places=np.zeros(0, np.int8),
            clusters=[],
            departures={},
            findings=[],
            steps=[],
            has_lengths=has_lengths,
            rows_in=Counter({s.name: 0 for s in sources}),
            unreadable=Counter(),
        )

    def read(
        self, preparation: Preparation, root: Path, workspace: Path, executor: Executor
    ) -> tuple[pd.DataFrame | None, Facts]:
        found, frames, facts = self.found, [], Facts()
        cleaned: Counter[str] = Counter()
        replaced: Counter[str] = Counter()
        rows = read_sources(found.sources, root=root, workspace=workspace)
        rows = without_forgotten(rows, Tombstones.of(workspace))
        for done in executor.map(preparation, self._counted(chunked(rows, self._reject))):
            prepared: Prepared = done
            found.staging.add(prepared.texts)
            frames.append(prepared.frame)
            _extend(facts, prepared.facts)
            cleaned += prepared.cleaned
            replaced += prepared.replaced
        found.staging.close()
        found.ids = facts.ids
        found.private_ids = {i for i, private in zip(facts.ids, facts.private, strict=True) if private}
        found.places = np.zeros(found.staging.rows, np.int8)
        found.clusters = [""] * found.staging.rows
        found.steps += [
            Step(name="read", rows_out=found.staging.rows, removed=dict(found.unreadable)),
            Step(name="clean", rows_out=found.staging.rows, changed=dict(cleaned)),
            Step(name="treat personal data", rows_out=found.staging.rows, changed=dict(replaced)),
        ]
        log.info("read %d rows, %d unreadable", found.rows_in.total(), found.unreadable.total())
        return _joined(frames), facts

    def _counted(self, chunks: Iterator[list[Record]]) -> Iterator[list[Record]]:
        for chunk in chunks:
            self.found.rows_in.update(r.source for r in chunk)
            yield chunk

    def _reject(self, rejection: Rejection) -> None:
        self.found.rows_in[rejection.source] += 1
        self.found.unreadable[rejection.reason] += 1
        self.found.staging.reject(rejection)

    def check_rows(self, frame: pd.DataFrame | None) -> None:
        from expectations.preference_suite import preference_suite
        from expectations.sft_suite import row_suite
        from expectations.validating import validate

        if frame is None:
            return
        recipe = self.found.recipe
        build = preference_suite if recipe.data.kind == "preference" else row_suite
        suite = build(recipe.data, max_tokens=recipe.model.max_tokens if self.found.has_lengths else None)
        self._set_aside("check rows", frame, suite.name, validate(frame, suite))

    def compare(self, frame: pd.DataFrame | None, facts: Facts, embedder: Embedder | None) -> None:
        from expectations.sft_suite import relation_suite
        from expectations.validating import validate

        left = np.flatnonzero(self.found.places == 0)
        if frame is None or not len(left):
            return
        some = _subset(facts, left)
        relations = relate(some, self.found.recipe.data, embedder=embedder)
        self._place(relations, some, left)
        related = relation_columns(some.ids, relations)
        suite = relation_suite(self.found.recipe.data)
        self._set_aside("compare rows", related, suite.name, validate(related, suite), left)

    def _place(self, relations: Relations, facts: Facts, left: NDArray[np.int64]) -> None:
        found = self.found
        found.places[left] = [SPLITS.index(s) for s in relations.splits]
        for index, cluster in zip(left, relations.clusters, strict=True):
            found.clusters[index] = cluster
        gone: dict[str, list[str]] = {}
        for row, duplicate in relations.duplicates.items():
            if duplicate.kind != "contradiction":
                gone.setdefault(facts.ids[duplicate.duplicate_of], []).append(facts.ids[row])
        found.near_copies = sorted(gone.items(), key=lambda item: (-len(item[1]), item[0]))

    def _set_aside(
        self,
        step: str,
        frame: pd.DataFrame,
        suite: str,
        findings: Sequence[Finding],
        rows: NDArray[np.int64] | None = None,
    ) -> None:
        """Let the rows go that findings name; of several findings the first counts."""
        import pandas as pd

        found = self.found
        found.findings += [(suite, f) for f in findings]
        index = pd.Index(frame["id"])
        before = len(found.departures)
        removed: Counter[str] = Counter()
        for finding in (f for f in findings if f.severity in {"block", "quarantine"} and f.row_ids):
            at = index.get_indexer_for(list(finding.row_ids))
            values = frame[finding.column].iloc[at] if finding.column else [""] * len(at)
            for place, value in zip(at, values, strict=True):
                row = int(place if rows is None else rows[place])
                if row not in found.departures:
                    found.departures[row] = _departure(finding, value)
                    found.places[row] = SET_ASIDE
                    removed[finding.reason] += 1
        left = found.staging.rows - len(found.departures)
        found.steps.append(Step(name=step, rows_out=left, removed=dict(removed.most_common())))
        log.info("%s: %d of %d rows set aside", step, len(found.departures) - before, len(frame))

    def limit(self, facts: Facts) -> None:
        """Balance the training rows, then leave out what the recipe's limits do not want."""
        found, data = self.found, self.found.recipe.data
        reviewed = {i for i, is_feedback in zip(facts.ids, facts.feedback, strict=True) if is_feedback}
        if data.balance and data.balance.method == "downsample":
            slices = self._slices(data.balance.by)
            kept = balanced(slices, data.balance, data.split_salt, protected=reviewed).kept
            self._leave_out(TRAIN, {i for ids in slices.values() for i in ids} - kept)
        limits = ((TRAIN, data.max_train_rows), (VALIDATION, data.max_validation_rows))
        for place, limit in limits:
            if limit is not None:
                ids = [facts.ids[i] for i in np.flatnonzero(found.places == place)]
                free = [i for i in ids if i not in reviewed]
                chosen = stable_sample(free, limit - (len(ids) - len(free)), data.split_salt)
                self._leave_out(place, set(free) - set(chosen))
        if data.balance and data.balance.method == "upsample":
            found.copies = dict(balanced(self._slices(data.balance.by), data.balance, data.split_salt).repeated)
        left = int((found.places <= PRIVATE).sum())
        removed = {"unused": found.rows_unused} if found.rows_unused else {}
        changed = {"repeated": sum(found.copies.values())} if found.copies else {}
        found.steps.append(Step(name="balance and limits", rows_out=left, removed=removed, changed=changed))

    def _leave_out(self, place: int, ids: set[str]) -> None:
        for index in np.flatnonzero(self.found.places == place):
            if self.found.ids[index] in ids:
                self.found.places[index] = UNUSED

    def _slices(self, by: str) -> dict[str, list[str]]:
        slices: dict[str, list[str]] = {}
        for record in self._training_rows():
            for value in slice_values(record, by, self.found.recipe.data.answer):
                slices.setdefault(value, []).append(record.id)
        return slices

    def _training_rows(self) -> Iterator[Record]:
        for place, text in zip(self.found.places, self.found.staging.texts(), strict=True):
            if place == TRAIN:
                yield record_of(text)

    def grow(self, root: Path, embedder: Embedder | None, rewriter: Rewriter | None) -> None:
        found, data = self.found, self.found.recipe.data
        if data.augmentation is None:
            return
        forbidden = [
            normalise(question(record_of(text)))
            for place, text in zip(found.places, found.staging.texts(), strict=True)
            if place in {VALIDATION, TEST, PRIVATE}
        ]
        grown = augment(
            list(self._training_rows()),
            data.augmentation,
            root=root,
            embedder=embedder,
            rewriter=rewriter,
            forbidden_prompts=forbidden,
            answer=data.answer,
            near=data.checks.near_duplicate_jaccard,
        )
        found.synthetic, found.facts_of_synthetic = grown.rows, dict(grown.facts)
        changed = {"synthetic": len(grown.rows)}
        rows = found.steps[-1].rows_out + len(grown.rows)
        found.steps.append(Step(name="add synthetic rows", rows_out=rows, changed=changed))


def _departure(finding: Finding, value: Any) -> Departure:
    related = str(value) if finding.reason in RELATION_COLUMNS else None
    return Departure(finding.reason, f"{finding.column}: {value}", related)


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


def _extend(facts: Facts, more: Facts) -> None:
    for name in Facts.__dataclass_fields__:
        getattr(facts, name).extend(getattr(more, name))


def _subset(facts: Facts, rows: NDArray[np.int64]) -> Facts:
    chosen: Mapping[str, Any] = {n: [getattr(facts, n)[i] for i in rows] for n in Facts.__dataclass_fields__}
    return Facts(**chosen)
