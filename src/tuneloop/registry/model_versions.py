"""Model versions in the registry: their tags, how they are registered and what they were sealed with."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tuneloop.errors import DataError
from tuneloop.files import DigestsOf, contents_hash
from tuneloop.ports import ARTEFACT_TAG, ModelVersion, Registry
from tuneloop.registry.audit_trail import Entry
from tuneloop.registry.promotion_checks import PromotionRefused
from tuneloop.registry.rounds import save_round
from tuneloop.registry.sealed_folders import HashOf, folder_faults, is_there
from tuneloop.registry.verdict_signature import signature_tags, signing_key, standing, verdict_hash
from tuneloop.results import Round

IDENTITY = ("model_hash", "served_hash", "base_hash", "model_path", "served_path", "adapter_path", "data_version")
"""Tags that say which model a version is and where it lies; they never change."""


def version_tags(round_: Round) -> dict[str, str]:
    """All tags of a round's version but the verdict's signature."""
    training = round_.training
    return {
        "data_version": round_.data.version,
        "model_hash": training.model_hash,
        "model_path": training.model,
        "artefact": round_.candidate.artefact,
        "served_hash": round_.candidate.model_hash,
        "served_path": round_.served_path or training.model,
        "adapter_path": training.adapter,
        "base_hash": training.base_hash,
        "decision": round_.verdict.decision,
        "round": str(round_.number),
        "trigger": round_.trigger,
        "flow_run_id": round_.flow_run_id or "",
    }


def changed_tags(round_: Round, tags: Mapping[str, str]) -> list[str]:
    """Names of tags that say another model than the round does; older releases did not write all of them."""
    wanted = version_tags(round_)
    return [name for name in IDENTITY if tags.get(name, wanted[name]) != wanted[name]]


log = logging.getLogger(__name__)


def lost_of(round_: Round, versions: Sequence[ModelVersion]) -> Literal["version", "model"] | None:
    """What a finished round lacks: its version in the registry, or its model on the disk as well; None: nothing.

    A model whose version is there is not looked for: old folders may be deleted.
    """
    if any(v.tags.get("model_hash") == round_.training.model_hash for v in versions):
        return None
    return "version" if is_there(round_) else "model"


def registered_again(
    registry: Registry,
    workspace: Path,
    round_: Round,
    entry: Entry,
    versions: Sequence[ModelVersion],
    *,
    digests_of: DigestsOf,
) -> str:
    """The version that a line of the trail is about, with the tags it should have; under a new number if it is gone.

    The round's folders have been checked.

    Raises:
        PromotionRefused: the verdict in the round is not the one that the line is about, and cannot be signed anew.
    """
    recipe, key, adapter = round_.recipe, signing_key(workspace), Path(round_.training.adapter)
    found = next((v for v in versions if v.version == entry.to_version), None)
    is_same = entry.verdict_sha256 in {None, verdict_hash(round_.verdict)}
    if not is_same and standing(found.tags if found else {}, round_.verdict, recipe=recipe, key=key) != "verified":
        raise PromotionRefused(
            f"the verdict in the record of round {round_.number} of {recipe} is not the one that version "
            f"{entry.to_version} was promoted on: bring the file back from a backup"
        )
    signed = signature_tags(round_.verdict, recipe=recipe, key=key) if entry.verdict_sha256 else {}
    tags = version_tags(round_) | signed
    if found is not None and _holds(found, round_, contents_hash(digests_of(adapter))):
        registry.set_tags(recipe, found.version, tags)
        return found.version
    name = f"{recipe}-{round_.training_key}"
    run_id = registry.log_round(recipe, name, params={}, metrics={}, tags=tags, artifacts=[])
    version = registry.register(recipe, run_id, artifact=adapter, tags=tags)
    save_round(workspace, round_.model_copy(update={"model_version": version, "mlflow_run_id": run_id}))
    log.warning(
        "version %s of %s is not in the registry any more: it is now version %s", entry.to_version, recipe, version
    )
    return version


def _holds(version: ModelVersion, round_: Round, adapter_hash: str) -> bool:
    """Whether the version was registered with the round's adapter: numbers start anew when a model is deleted."""
    wanted = version.tags.get(ARTEFACT_TAG)
    return version.tags.get("model_hash") == round_.training.model_hash if wanted is None else wanted == adapter_hash


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
