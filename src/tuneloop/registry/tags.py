"""What a version in the registry says of itself: the tags of the round that made it."""

from __future__ import annotations

from collections.abc import Mapping

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
