"""Making registry and audit trail agree again: one of the two is restored from the other, and that is audited too."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.files import DigestsOf, file_digests
from tuneloop.ports import ModelVersion, Registry
from tuneloop.registry.audit_trail import AuditTrail, Entry
from tuneloop.registry.champion import (
    ANCHOR_TAG,
    CHAMPION,
    Findings,
    carry_out,
    champion_faults,
    champion_in,
    compare_sides,
    heal,
    past_champions,
)
from tuneloop.registry.model_versions import changed_tags, registered_again, round_of
from tuneloop.registry.promotion_checks import PromotionRefused, check_artefact, check_person, check_verdict
from tuneloop.registry.promotions import FACTS, model_facts
from tuneloop.registry.rounds import load_rounds
from tuneloop.registry.sealed_folders import HashOf
from tuneloop.registry.verdict_signature import signing_key

NO_MODEL: dict[str, Any] = {"model_hash": "", "verdict_sha256": None}


def repair_from_trail(
    registry: Registry,
    workspace: Path,
    *,
    recipe: str,
    because: str,
    person: str,
    hash_of: HashOf,
    digests_of: DigestsOf = file_digests,
) -> Entry | None:
    """Give the registry back the champion that the trail names; returns the line about it, None if they agree.

    A version that was deleted or renamed, or whose tags name other files, is registered again from the workspace.

    Raises:
        PromotionRefused: the trail is not whole, or the champion's own files are not what was judged.
    """
    who, trail = check_person(person, because), AuditTrail(workspace, recipe, signing_key(workspace))
    with trail.held():
        heal(registry, trail)
        entries, versions = trail.entries(), registry.versions(recipe)
        found = _compare(trail, entries, versions, workspace, hash_of)
        if found.trail:
            raise PromotionRefused(
                f"the audit trail of {recipe} does not hold together itself ({'; '.join(found.trail)}): {trail.remedy}"
            )
        if not found.registry:
            return None
        to_version, facts = None, NO_MODEL
        if (champion := found.champion) is not None:
            to_version = _restored(registry, workspace, found, versions, hash_of, digests_of)
            facts = champion.model_dump(include=set(FACTS))
        _forget_anchors(registry, recipe, versions, entries)
        reigns = past_champions(entries)
        return carry_out(
            registry, trail, action="repair", who=who, because=because,
            from_version=champion.to_version if champion else None, to_version=to_version,
            previous_version=reigns[-2].to_version if len(reigns) > 1 else None, **facts,
        )  # fmt: skip


def repair_from_registry(
    registry: Registry,
    workspace: Path,
    *,
    recipe: str,
    because: str,
    person: str,
    hash_of: HashOf,
    digests_of: DigestsOf = file_digests,
) -> Entry | None:
    """Take over the champion that the registry names, or that it names none; returns the line, None if they agree.

    The version has to pass all that a promotion by a person has to: verdict, signature, files. A trail that is not
    whole is set aside and a new one begins.

    Raises:
        PromotionRefused: the version does not pass.
    """
    who, trail = check_person(person, because), AuditTrail(workspace, recipe, signing_key(workspace))
    with trail.held():
        broken = _broken(trail)
        if not broken:
            heal(registry, trail)
        entries, versions = [] if broken else trail.entries(), registry.versions(recipe)
        if not broken and not _compare(trail, entries, versions, workspace, hash_of).registry:
            return None
        named = next((v for v in versions if CHAMPION in v.aliases), None)
        facts = _adoptable(workspace, recipe, named, hash_of, digests_of) if named else NO_MODEL
        if broken:
            moved = ", ".join(path.name for path in trail.set_aside())
            because = f"{because} (a new trail, since the old one is not whole: {broken[0]}; it is kept as {moved})"
        _forget_anchors(registry, recipe, versions, entries)
        before = champion.to_version if (champion := champion_in(entries)) else None
        return carry_out(
            registry, trail, action="adopt" if named else "retire", who=who, because=because, from_version=before,
            to_version=named.version if named else None, previous_version=before, **facts,
        )  # fmt: skip


def _broken(trail: AuditTrail) -> list[str]:
    try:
        return trail.faults(trail.entries())
    except DataError as error:
        return [str(error).split(": ")[0]]


def _compare(
    trail: AuditTrail, entries: Sequence[Entry], versions: Sequence[ModelVersion], workspace: Path, hash_of: HashOf
) -> Findings:
    rounds, key = load_rounds(workspace, trail.recipe), signing_key(workspace)
    return compare_sides(trail, entries, versions, rounds, key=key, hash_of=hash_of)


def _restored(
    registry: Registry,
    workspace: Path,
    found: Findings,
    versions: Sequence[ModelVersion],
    hash_of: HashOf,
    digests_of: DigestsOf,
) -> str:
    """The version of the trail's champion, in the registry as it should be."""
    assert found.champion is not None
    champion, round_, key = found.champion, found.round, signing_key(workspace)
    faults = champion_faults(champion, round_, found.recipe, versions, key, hash_of, digests_of)
    if faults or round_ is None:
        raise PromotionRefused(
            f"the trail's champion of {found.recipe}, version {champion.to_version}, cannot be restored: "
            f"{'; '.join(faults)}. Bring it back from a backup, or go back to the champion before it with `tuneloop "
            "models rollback --because TEXT`"
        )
    return registered_again(registry, workspace, round_, champion, versions, digests_of=digests_of)


def _adoptable(
    workspace: Path, recipe: str, version: ModelVersion, hash_of: HashOf, digests_of: DigestsOf
) -> dict[str, Any]:
    """What the trail is to say of the registry's champion, which passes all checks."""
    key = signing_key(workspace)
    round_ = check_verdict(
        version, round_of(version, load_rounds(workspace, recipe)), recipe=recipe, key=key, person="somebody"
    )
    wrong = changed_tags(round_, version.tags)
    if wrong:
        raise PromotionRefused(
            f"version {version.version} of {recipe} says something else than its round ({', '.join(wrong)}): it cannot "
            f"be adopted; `tuneloop models repair {recipe}` restores the trail's champion"
        )
    check_artefact(version, round_, key=key, digests_of=digests_of, hash_of=hash_of)
    return model_facts(round_)


def _forget_anchors(
    registry: Registry, recipe: str, versions: Sequence[ModelVersion], entries: Sequence[Entry]
) -> None:
    """Take seals off the versions that no line of the trail has."""
    known = {"", *(entry.seal for entry in entries)}
    for version in versions:
        if version.tags.get(ANCHOR_TAG, "") not in known:
            registry.set_tags(recipe, version.version, {ANCHOR_TAG: ""})
