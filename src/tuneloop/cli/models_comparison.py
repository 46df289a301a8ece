"""Two models side by side: scores with intervals, and the difference on the rows that both have answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from tuneloop.files import DigestsOf
    from tuneloop.ports import ModelVersion
    from tuneloop.registry.sealed_folders import HashOf
    from tuneloop.results import EvaluationReport, Metric, Round

BASE = "base"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two: what it is called, and its evaluation."""

    name: str
    report: EvaluationReport


def two_sides(
    first: str, second: str, versions: Sequence[ModelVersion], rounds: Sequence[Round], *, recipe: str
) -> tuple[Side, Side]:
    """The evaluations of two models that are named by version, alias or `base`.

    Where one of them was the champion that the other's round measured, that evaluation is taken, and for `base` that of
    the other's round: those are on the same rows.

    Raises:
        DataError: there is no such version, or the round that judged it is not in this workspace.
    """
    if first == second == BASE:
        raise DataError("the base compared with itself shows nothing: name a version or an alias")
    one, other = (
        None if name == BASE else _round(name, versions, rounds, recipe) for name in (first, second)
    )  # fmt: skip
    return Side(first, _report(one, other)), Side(second, _report(other, one))


def side_faults(
    names: Sequence[str],
    versions: Sequence[ModelVersion],
    rounds: Sequence[Round],
    workspace: Path,
    *,
    recipe: str,
    hash_of: HashOf,
    digests_of: DigestsOf,
) -> list[str]:
    """Which files of the versions are not those that were judged; a model whose folders were deleted has none."""
    from tuneloop.registry.model_versions import find_version, round_of
    from tuneloop.registry.sealed_folders import folder_faults, is_there
    from tuneloop.registry.verdict_signature import signing_key

    key, found = signing_key(workspace), []
    for name in names:
        version = None if name == BASE else find_version(name, versions, recipe=recipe)
        round_ = round_of(version, rounds) if version else None
        if version and round_ and is_there(round_):
            faults = folder_faults(round_, key=key, digests_of=digests_of, hash_of=hash_of, tags=version.tags)
            found += [f"version {version.version}: {fault}" for fault in faults]
    return found


def compare(one: Side, other: Side, *, confidence: float) -> list[dict[str, Any]]:
    """One dictionary per metric. `change` is the second minus the first with its interval over `rows` rows; None where
    the scores by row of both are not on the disk, or are of different rows."""
    ours, theirs = one.report.everything, other.report.everything
    return [_line(name, one, other, confidence) for name in dict.fromkeys([*ours, *theirs])]


def _round(name: str, versions: Sequence[ModelVersion], rounds: Sequence[Round], recipe: str) -> Round:
    from tuneloop.registry.model_versions import find_version, round_of

    version = find_version(name, versions, recipe=recipe)
    found = round_of(version, rounds)
    if found is None:
        raise DataError(f"the round that judged version {version.version} of {recipe} is not in this workspace")
    return found


def _report(round_: Round | None, other: Round | None) -> EvaluationReport:
    if round_ is None:
        assert other is not None
        return other.base
    champion = other.champion if other else None
    return champion if champion and champion.model_hash == round_.candidate.model_hash else round_.candidate


def _line(name: str, one: Side, other: Side, confidence: float) -> dict[str, Any]:
    first, second = one.report.everything.get(name), other.report.everything.get(name)
    return {
        "metric": name,
        one.name: _shown(first),
        other.name: _shown(second),
        **_difference(name, one, other, confidence),
        "lower_is_better": any(metric.lower_is_better for metric in (first, second) if metric),
    }


def _difference(name: str, one: Side, other: Side, confidence: float) -> dict[str, Any]:
    from tuneloop.evaluation.intervals import difference
    from tuneloop.evaluation.score_files import read_scores

    rows = _paired(read_scores(one.report, name), read_scores(other.report, name))
    if rows is None:
        return {"change": None, "low": None, "high": None, "rows": 0}
    found = difference(rows["score_other"].to_numpy(), rows["score"].to_numpy(), rows["cluster"].tolist())
    low, high = found.interval(confidence)
    return {"change": found.value, "low": low, "high": high, "rows": found.rows}


def _paired(ours: pd.DataFrame | None, theirs: pd.DataFrame | None) -> pd.DataFrame | None:
    if ours is None or theirs is None:
        return None
    rows = ours.join(theirs[["score"]], rsuffix="_other", how="inner").dropna().sort_index()
    return None if rows.empty else rows


def _shown(metric: Metric | None) -> dict[str, float] | None:
    return metric.model_dump(include={"value", "low", "high", "n"}) if metric else None
