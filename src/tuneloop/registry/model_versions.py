"""Registered versions with what the workspace knows of them, for `tuneloop models list` and for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneloop.errors import DataError
from tuneloop.files import DigestsOf
from tuneloop.ports import ModelVersion
from tuneloop.registry.sealed_folders import HashOf, folder_faults
from tuneloop.registry.verdict_signature import standing
from tuneloop.results import Round

FILES_CHANGED = "files changed"
"""Of a version whose verdict is as it was signed, while the files on the disk are not those that were judged."""
HEADLINES = 3
"""So many metrics are shown in a line, the first of the recipe's."""


def version_rows(
    versions: Sequence[ModelVersion],
    rounds: Sequence[Round],
    *,
    recipe: str,
    key: bytes,
    hash_of: HashOf,
    digests_of: DigestsOf,
) -> list[dict[str, Any]]:
    """One dictionary per version, newest first. `verdict` says whether the verdict is as it was signed and the files as
    they were judged; which are not, `files` says."""
    rows = []
    for version in reversed(versions):
        round_ = round_of(version, rounds)
        faults = (
            folder_faults(round_, key=key, digests_of=digests_of, hash_of=hash_of, tags=version.tags) if round_ else []
        )
        rows.append(_row(version, round_, recipe, key, faults))
    return rows


def round_of(version: ModelVersion, rounds: Sequence[Round]) -> Round | None:
    """The round that made and judged the version, if it is kept in this workspace."""
    number, model_hash = version.tags.get("round"), version.tags.get("model_hash")
    return next((r for r in rounds if str(r.number) == number and r.training.model_hash == model_hash), None)


def find_version(name: str, versions: Sequence[ModelVersion], *, recipe: str) -> ModelVersion:
    """The version with this number or alias.

    Raises:
        DataError: there is none.
    """
    for version in versions:
        if name == version.version or name in version.aliases:
            return version
    known = [v.version for v in versions] + sorted(alias for v in versions for alias in v.aliases)
    raise DataError(
        f"{recipe} has no version {name}; there are: {', '.join(known) or 'none yet (`tuneloop run` makes one)'}"
    )


def _row(version: ModelVersion, round_: Round | None, recipe: str, key: bytes, faults: Sequence[str]) -> dict[str, Any]:
    verdict = standing(version.tags, round_.verdict if round_ else None, recipe=recipe, key=key)
    metrics = list(round_.candidate.metrics.items())[:HEADLINES] if round_ else []
    return {
        "version": version.version,
        "aliases": list(version.aliases),
        "round": version.tags.get("round"),
        "created_at": version.created_at,
        "data_version": version.tags.get("data_version"),
        "decision": version.tags.get("decision"),
        "verdict": FILES_CHANGED if verdict == "verified" and faults else verdict,
        "files": list(faults),
        "model_hash": version.tags.get("model_hash"),
        "metrics": {name: metric.model_dump(include={"value", "low", "high", "n"}) for name, metric in metrics},
    }
