"""Whether a round's model is in the registry, and putting it there again where somebody has deleted it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tuneloop.files import DigestsOf, contents_hash
from tuneloop.ports import ARTEFACT_TAG, ModelVersion, Registry
from tuneloop.registry.audit_trail import Entry
from tuneloop.registry.promotion_checks import PromotionRefused
from tuneloop.registry.rounds import save_round
from tuneloop.registry.sealed_folders import is_there
from tuneloop.registry.tags import version_tags
from tuneloop.registry.verdict_signature import signature_tags, signing_key, standing, verdict_hash
from tuneloop.results import Round

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
