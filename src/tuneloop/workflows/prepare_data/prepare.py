"""From sources to a data version: examine, refuse what must not be trained on, keep the rest.

Every row that comes in is accounted for: rows_in + rows_synthetic = train + validation + test + private + quarantined +
unused.
"""

from __future__ import annotations

import logging
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tuneloop.data.row_verdicts import read_row_verdicts
from tuneloop.data.snapshots import list_manifests, write_snapshot
from tuneloop.data.stages import InThisProcess, Preparation
from tuneloop.data.staging import staging
from tuneloop.ports import Embedder, Executor, Rewriter, TokenCounter, Validator
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Recipe, Source
from tuneloop.reports.data.page import write_data_page
from tuneloop.results import Cost, DataManifest, DataReport
from tuneloop.workflows.prepare_data.examined import Examined
from tuneloop.workflows.prepare_data.manifest import config_of, describe
from tuneloop.workflows.prepare_data.refusing import require_usable
from tuneloop.workflows.prepare_data.steps import (
    AddSyntheticRows,
    CheckRows,
    CompareRows,
    DataStep,
    LimitRows,
    ReadRows,
)

log = logging.getLogger(__name__)


def prepare_data(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    validator: Validator,
    counter: TokenCounter,
    feedback: Sequence[Source] = (),
    embedder: Embedder | None = None,
    rewriter: Rewriter | None = None,
    executor: Executor | None = None,
    as_of: datetime | None = None,
    verdicts: Path | None = None,
) -> DataReport:
    """Make a data version from a recipe's sources and report it; the same rows again give the same version.

    See `examine` for the arguments. The report page is written when the version has its name: where a kill came
    between the two, the next run or `tuneloop data show --page` writes it.

    Raises:
        DataError: a source cannot be read, a blocking expectation is not met, too much was quarantined, or a split that
            is needed is empty. The message says what to do; where rows were quarantined, also where to look at them.
    """
    started = time.monotonic()
    with examine(
        recipe,
        root=root,
        workspace=workspace,
        validator=validator,
        counter=counter,
        feedback=feedback,
        embedder=embedder,
        rewriter=rewriter,
        executor=executor,
        as_of=as_of,
        verdicts=verdicts,
    ) as found:
        require_usable(found, workspace)
        manifest, folder = _commit(found, root, workspace, counter)
    page = write_data_page(workspace, manifest)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _report(manifest, folder, page, Cost(seconds=time.monotonic() - started, peak_rss_mib=peak_kib / 1024))


@contextmanager
def examine(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    validator: Validator,
    counter: TokenCounter | None = None,
    feedback: Sequence[Source] = (),
    embedder: Embedder | None = None,
    rewriter: Rewriter | None = None,
    executor: Executor | None = None,
    as_of: datetime | None = None,
    verdicts: Path | None = None,
) -> Iterator[Examined]:
    """Take a recipe's rows through all steps; the result can be walked over inside the `with` block.

    `validator` holds the expectations. Without a `counter`, lengths are not checked. `feedback` are the files that
    reviews became: rows for training only, never sampled away. `embedder` and `rewriter` are needed where the recipe
    asks for meaning or for paraphrases. `executor` is where chunks of rows are worked on (here by default); the result
    does not depend on it. `as_of` is the day on which rows are too old or not (now by default). `verdicts` is the file
    with reviewers' verdicts on training rows (see `tuneloop.data.row_verdicts`).

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
        found = Examined(
            recipe=recipe,
            sources=sources,
            staging=place,
            max_tokens=recipe.model.max_tokens if counter else None,
            rows_in=Counter({s.name: 0 for s in sources}),
        )
        steps: tuple[DataStep, ...] = (
            ReadRows(preparation, root, workspace, executor or InThisProcess()),
            CheckRows(validator),
            CompareRows(validator, embedder),
            LimitRows(),
            AddSyntheticRows(root, embedder, rewriter),
        )
        for step in steps:
            step(found)
        yield found


def _commit(found: Examined, root: Path, workspace: Path, counter: TokenCounter) -> tuple[DataManifest, Path]:
    known = list_manifests(workspace, found.recipe.name)
    made: list[DataManifest] = []

    def about(version: str, before: DataManifest | None) -> DataManifest:
        parents = before.parents if before else [m.version for m in known[-1:]]
        manifest = describe(found, version=version, parents=parents, root=root, workspace=workspace, counter=counter)
        made.append(manifest.model_copy(update={"created_at": before.created_at}) if before else manifest)
        return made[0]

    folder = write_snapshot(
        workspace, rows=found.kept(), quarantine=found.rejections(), config=config_of(found), describe=about
    )
    log.info("data version %s: %s rows, %d unused", folder.name, made[0].rows, made[0].rows_unused)
    return made[0], folder


def _report(manifest: DataManifest, folder: Path, page: Path, cost: Cost) -> DataReport:
    return DataReport(
        version=manifest.version,
        folder=str(folder),
        rows_in=manifest.rows_in,
        rows_quarantined=manifest.rows_quarantined,
        rows_train=manifest.rows["train"],
        rows_validation=manifest.rows["validation"],
        rows_test=manifest.rows["test"],
        rows_private=manifest.rows.get("private", 0),
        rows_unused=manifest.rows_unused,
        rows_synthetic=manifest.rows_synthetic,
        page=str(page),
        reasons=manifest.reasons,
        sources={origin.name: origin.rows for origin in manifest.sources},
        lengths=manifest.lengths,
        cost=cost,
    )
