"""From sources to a data version: examine, refuse what must not be trained on, keep the rest.

Every row that comes in is accounted for: rows_in + rows_synthetic = train + validation + test + private + quarantined +
unused.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from expectations.describing import config_of, counted, describe
from expectations.examining import Examined, examine
from tuneloop.data.relations import has_held_out
from tuneloop.data.snapshots import list_manifests, splits_in, stream_rows, write_quarantine, write_snapshot
from tuneloop.data.staging import record_of
from tuneloop.errors import DataError
from tuneloop.lineage.data_diff import content_of, contents, diff
from tuneloop.ports import Embedder, Executor, Rewriter, TokenCounter
from tuneloop.recipes import Recipe, Source
from tuneloop.reports.data.page import render_data_page
from tuneloop.results import Cost, DataManifest, DataReport

log = logging.getLogger(__name__)


def prepare_data(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    counter: TokenCounter,
    feedback: Sequence[Source] = (),
    embedder: Embedder | None = None,
    rewriter: Rewriter | None = None,
    executor: Executor | None = None,
    as_of: datetime | None = None,
    verdicts: Path | None = None,
) -> DataReport:
    """Make a data version from a recipe's sources and report it; the same rows again give the same version.

    See `expectations.examining.examine` for the arguments.

    Raises:
        DataError: a source cannot be read, a blocking expectation is not met, too much was set aside, or a split that
            is needed is empty. The message says what to do; where rows were set aside, also where to look at them.
    """
    started = time.monotonic()
    with examine(
        recipe,
        root=root,
        workspace=workspace,
        counter=counter,
        feedback=feedback,
        embedder=embedder,
        rewriter=rewriter,
        executor=executor,
        as_of=as_of,
        verdicts=verdicts,
    ) as found:
        _block_where_needed(found, workspace)
        manifest, folder = _keep(found, root, workspace, counter)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _report(manifest, folder, Cost(seconds=time.monotonic() - started, peak_rss_mib=peak_kib / 1024))


def _block_where_needed(found: Examined, workspace: Path) -> None:
    problem = _problem(found)
    if problem:
        path = workspace / "data" / f"blocked-{found.recipe.name}.jsonl"
        write_quarantine(path, found.rejections())
        raise DataError(f"{problem} Reasons: {counted(found.reasons)}. The rows are in {path}")


def _problem(found: Examined) -> str | None:
    data, total, gone = found.recipe.data, found.rows_in.total(), found.reasons.total()
    if not total:
        return "The sources have no rows at all; check the paths in the recipe."
    if found.blocking:
        worst = found.blocking[0]
        return (
            f"{worst.expectation} found {worst.count} rows ({worst.reason}), which blocks: nothing may be trained on "
            "this data. Mend the source, or lower data.checks.severity for this reason if the rows look right to you."
        )
    if gone > data.checks.max_quarantined * total:
        return (
            f"{gone} of {total} rows were set aside, more than data.checks.max_quarantined "
            f"({data.checks.max_quarantined:.0%}) allows. Fix the source, map its columns, or allow what is fine."
        )
    return _empty_split(found)


def _empty_split(found: Examined) -> str | None:
    if not found.count("train"):
        return "No row is left to train on; add data or raise data.train_share."
    if not found.count("test"):
        more = (
            "check the held-out source"
            if has_held_out(found.recipe.data)
            else "add data, or a source with held_out: true"
        )
        return f"No row is left to test on; {more}."
    if "private" in found.splits and not found.count("private"):
        return "No row of the private test set is left; check the private source."
    return None


def _keep(found: Examined, root: Path, workspace: Path, counter: TokenCounter) -> tuple[DataManifest, Path]:
    known = list_manifests(workspace, found.recipe.name)
    made: list[DataManifest] = []

    def about(version: str, before: DataManifest | None) -> tuple[DataManifest, str]:
        parents = before.parents if before else [m.version for m in known[-1:]]
        manifest = describe(found, version=version, parents=parents, root=root, workspace=workspace, counter=counter)
        if before:
            manifest = manifest.model_copy(update={"created_at": before.created_at})
        made.append(manifest)
        return manifest, _page(manifest, known, found, workspace)

    folder = write_snapshot(
        workspace, rows=found.kept(), quarantine=found.rejections(), config=config_of(found), describe=about
    )
    log.info("data version %s: %s rows, %d unused", folder.name, made[0].rows, made[0].rows_unused)
    return made[0], folder


def _page(manifest: DataManifest, known: Sequence[DataManifest], found: Examined, workspace: Path) -> str:
    """The report, with what became of every row since the parent."""
    parent = next((m for m in known if m.version in manifest.parents), None)
    if parent is None:
        return render_data_page(manifest, None)
    folder = workspace / "data" / parent.version
    old: dict[str, dict[str, str]] = {s: contents(stream_rows(folder / f"{s}.parquet")) for s in splits_in(folder)}
    new: dict[str, dict[str, str]] = {s: {} for s in found.splits}
    for split, row_id, _, text in found.kept():
        new[split][row_id] = content_of(record_of(text))
    return render_data_page(manifest, parent, diff(parent, manifest, old, new))


def _report(manifest: DataManifest, folder: Path, cost: Cost) -> DataReport:
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
        page=str(folder / "report.html"),
        reasons=manifest.reasons,
        sources={origin.name: origin.rows for origin in manifest.sources},
        lengths=manifest.lengths,
        cost=cost,
    )
