"""One change of the champion: whole or not at all, wherever the process is killed.

The intent goes to the audit trail first. Moving the alias `champion` is the moment from which the change holds; all
else follows from the intent and can be repeated. So whoever comes after a killed process sees from the alias whether
to finish the change or to give it up, and does so before anything else. A difference between registry and trail that
no sealed intent explains is not such a change: see tuneloop.registry.champion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneloop.ports import ModelVersion, Registry
from tuneloop.registry.audit_trail import AuditTrail, Entry

CHAMPION, PREVIOUS, CANDIDATE, CHALLENGER = "champion", "previous", "candidate", "challenger"
ANCHOR_TAG = "promotion_seal"
"""Tag of a version: seal of the intent that last made it the champion, so that a shortened trail shows."""


def aliases_of(versions: Sequence[ModelVersion]) -> dict[str, str]:
    return {alias: v.version for v in versions for alias in v.aliases}


def carry_out(registry: Registry, trail: AuditTrail, **intent: Any) -> Entry:
    """Write the intent, move the alias, and all that follows; returns the last line."""
    entry = trail.append(step="intent", **intent)
    registry.set_alias(trail.recipe, CHAMPION, entry.to_version)
    return _settle(registry, trail, entry)


def heal(registry: Registry, trail: AuditTrail) -> Entry | None:
    """End a change that a killed process began: finish it if it took effect (the line is returned), else give it up.

    Nothing is done about an intent in a trail that does not hold together: anyone may have written it.
    """
    entries = trail.entries()
    if not entries or entries[-1].step != "intent" or trail.faults(entries):
        return None
    intent = entries[-1]
    if aliases_of(registry.versions(trail.recipe)).get(CHAMPION) == intent.to_version:
        return _settle(registry, trail, intent)
    _end(trail, intent, "abandoned")
    return None


def _settle(registry: Registry, trail: AuditTrail, intent: Entry) -> Entry:
    """All that follows once `champion` is where it belongs; may be repeated."""
    versions = registry.versions(trail.recipe)
    there = {v.version for v in versions}
    registry.set_alias(trail.recipe, PREVIOUS, intent.previous_version if intent.previous_version in there else None)
    aliases = aliases_of(versions)
    for name in (CANDIDATE, CHALLENGER):
        if intent.to_version is not None and aliases.get(name) == intent.to_version:
            registry.set_alias(trail.recipe, name, None)
    if intent.to_version is not None:
        registry.set_tags(trail.recipe, intent.to_version, {ANCHOR_TAG: intent.seal})
    return _end(trail, intent, "done")


def _end(trail: AuditTrail, intent: Entry, step: str) -> Entry:
    same = intent.model_dump(exclude={"number", "at", "recipe", "step", "intent", "format", "before", "seal"})
    return trail.append(**same, step=step, intent=intent.number)
