"""Refuse data that nothing may be trained on, before a version is made of it."""

from __future__ import annotations

from pathlib import Path

from tuneloop.data.relations import has_held_out
from tuneloop.data.snapshots import write_quarantine
from tuneloop.errors import DataError
from tuneloop.workflows.prepare_data.examined import Examined


def require_usable(found: Examined, workspace: Path) -> None:
    """Write what was quarantined and stop, unless a data version may be made of the rows.

    Raises:
        DataError: there are no rows, one of them blocks, too many were quarantined, or a split is empty.
    """
    problem = _problem(found)
    if problem:
        path = workspace / "data" / f"blocked-{found.recipe.name}.jsonl"
        write_quarantine(path, found.rejections())
        reasons = ", ".join(f"{reason} {n}" for reason, n in found.reasons.most_common()) or "none"
        raise DataError(f"{problem} Reasons: {reasons}. The rows are in {path}")


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
