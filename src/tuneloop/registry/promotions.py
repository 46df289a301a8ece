"""Changing the champion: checked, audited, and whole or not at all (see tuneloop.registry.champion)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneloop.files import DigestsOf, file_digests
from tuneloop.ports import ModelVersion, Registry
from tuneloop.registry.audit_trail import GATE, AuditTrail, Entry
from tuneloop.registry.champion import (
    CANDIDATE,
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ChampionError,
    Findings,
    aliases_of,
    anchors,
    carry_out,
    compare_sides,
    heal,
    past_champions,
    require_agreement,
    round_of_entry,
    served_hash,
)
from tuneloop.registry.model_versions import changed_tags, registered_again, version_tags
from tuneloop.registry.promotion_checks import (
    PromotionRefused,
    check_artefact,
    check_champion,
    check_person,
    check_verdict,
)
from tuneloop.registry.rounds import load_rounds
from tuneloop.registry.sealed_folders import HashOf, folders_hash
from tuneloop.registry.verdict_signature import signing_key, verdict_hash
from tuneloop.results import Round, Verdict

__all__ = ["CHAMPION", "PREVIOUS", "anchors", "decline", "mark_registered", "model_facts", "promote", "roll_back"]


def promote(
    registry: Registry,
    workspace: Path,
    *,
    recipe: str,
    version: str,
    round_: Round | None,
    because: str,
    person: str | None,
    hash_of: HashOf,
    digests_of: DigestsOf = file_digests,
    as_judged: bool = False,
) -> Entry | None:
    """Make the version the champion; returns the last line of the audit trail about it, or None if it was the champion.

    `round_` is what is kept of the version's round, None if nothing is. `person` is who decides; None for the gate,
    which acts on a verdict once, and only while the champion is the one that it compared with. So does a person whose
    word is about that comparison (`as_judged`).

    Raises:
        PromotionRefused: verdict, signature or artefact do not allow it. StaleVerdict: see there.
        ChampionError: registry and audit trail do not agree on the present champion.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    key = signing_key(workspace)
    with trail.held():
        heal(registry, trail)
        versions, entries = registry.versions(recipe), trail.entries()
        now = _sides(trail, entries, versions, workspace, hash_of)
        require_agreement(now)
        target = _find(versions, recipe, version)
        judged = check_verdict(target, round_, recipe=recipe, key=key, person=person)
        once = who == GATE or as_judged
        acted = _acted_on(entries, judged, who) if once else None
        if acted or (now.champion and now.champion.to_version == version):
            return acted
        if once:
            champion_hash = served_hash(now.champion, now.round) if now.champion else None
            check_champion(judged.verdict, champion_hash)
        check_artefact(target, judged, key=key, digests_of=digests_of, hash_of=hash_of)
        if changed_tags(judged, target.tags):  # which model it is and where it lies is the round's to say
            registry.set_tags(recipe, version, version_tags(judged))
        before = now.champion.to_version if now.champion else None
        return carry_out(
            registry, trail, action="promote", who=who, because=because, from_version=before, to_version=version,
            previous_version=before, **model_facts(judged),
        )  # fmt: skip


def roll_back(
    registry: Registry,
    workspace: Path,
    *,
    recipe: str,
    because: str,
    person: str,
    hash_of: HashOf,
    digests_of: DigestsOf = file_digests,
) -> Entry:
    """Bring back the champion before this one; each further call goes one further back, never forward again.

    Which one that is, the trail says, whatever the registry's aliases name; a version that was deleted is registered
    again. A rolled-back version comes back by `promote` alone. If an earlier call was killed after it took effect, it
    is finished, and nothing more is done.

    Raises:
        PromotionRefused: there is none before, or its model is not on the disk any more.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    with trail.held():
        finished = heal(registry, trail)
        if finished is not None and finished.action == "rollback":
            return finished
        # In an emergency a changed line must not stand in the way: those that are as they were written count.
        reigns = past_champions([e for e in trail.entries() if trail.is_sealed(e)])
        if len(reigns) < 2:  # noqa: PLR2004 (the champion and one before it)
            raise PromotionRefused(
                f"{recipe} has no champion before this one to go back to; `tuneloop models list {recipe}` shows the "
                "versions, `tuneloop models promote VERSION --because TEXT` makes one of them the champion"
            )
        target = reigns[-2]
        version = _brought_back(registry, workspace, trail, target, hash_of, digests_of)
        return carry_out(
            registry, trail, action="rollback", who=who, because=because,
            from_version=reigns[-1].to_version, to_version=version,
            previous_version=reigns[-3].to_version if len(reigns) > 2 else None,  # noqa: PLR2004
            **target.model_dump(include=set(FACTS)),
        )  # fmt: skip


def decline(
    registry: Registry, workspace: Path, *, recipe: str, version: str, verdict: Verdict, because: str, person: str
) -> Entry:
    """Note that a person said no: the version keeps its alias, `tuneloop models promote` can still change that.

    Saying it again about the same verdict adds no line.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    with trail.held():
        heal(registry, trail)
        target, entries = _find(registry.versions(recipe), recipe, version), trail.entries()
        for entry in entries:
            if (entry.step, entry.to_version, entry.verdict_sha256) == ("declined", version, verdict_hash(verdict)):
                return entry
        reigns = past_champions(entries)
        return trail.append(
            action="promote", step="declined", who=who, because=because,
            from_version=reigns[-1].to_version if reigns else None, to_version=version, previous_version=None,
            model_hash=target.tags["model_hash"], verdict_sha256=verdict_hash(verdict),
        )  # fmt: skip


def mark_registered(registry: Registry, workspace: Path, *, recipe: str, version: str, decision: str) -> None:
    """Point `challenger` (a person has to decide) or `candidate` (all others) at a version that was just registered.

    A version that is or was just the champion keeps its place: a round that is finished again changes nothing.
    """
    with (trail := _trail(workspace, recipe)).held():
        heal(registry, trail)
        aliases = aliases_of(registry.versions(recipe))
        if version in {aliases.get(CHAMPION), aliases.get(PREVIOUS)}:
            return
        name, other = (CHALLENGER, CANDIDATE) if decision == "needs_review" else (CANDIDATE, CHALLENGER)
        registry.set_alias(recipe, name, version)
        if aliases.get(other) == version:
            registry.set_alias(recipe, other, None)


FACTS = ("model_hash", "served_hash", "folders_sha256", "round", "verdict_sha256")


def model_facts(round_: Round) -> dict[str, Any]:
    """What a line of the trail says of a model."""
    return {
        "model_hash": round_.training.model_hash,
        "served_hash": round_.verdict.candidate_hash,
        "folders_sha256": folders_hash(round_),
        "round": round_.number,
        "verdict_sha256": verdict_hash(round_.verdict),
    }


def _brought_back(
    registry: Registry, workspace: Path, trail: AuditTrail, target: Entry, hash_of: HashOf, digests_of: DigestsOf
) -> str:
    """Version of an earlier champion, whose model is still what it was."""
    key, recipe = signing_key(workspace), trail.recipe
    round_ = round_of_entry(target, load_rounds(workspace, recipe))
    if round_ is None:
        raise PromotionRefused(
            f"the record of the round that judged version {target.to_version} of {recipe} is gone from rounds/{recipe} "
            "or about another model: bring it back from a backup"
        )
    versions = registry.versions(recipe)
    found = next((v for v in versions if v.version == target.to_version), None)
    tags = found.tags if found else {}
    check_artefact(
        ModelVersion(str(target.to_version), "", "", (), tags), round_, key=key, digests_of=digests_of, hash_of=hash_of
    )
    if target.folders_sha256 not in {None, folders_hash(round_)}:
        raise PromotionRefused(
            f"the list of files in the record of round {round_.number} of {recipe} is not the one that was sealed: "
            "bring it back from a backup"
        )
    return registered_again(registry, workspace, round_, target, versions, digests_of=digests_of)


def _acted_on(entries: Sequence[Entry], round_: Round, who: str) -> Entry | None:
    """An earlier promotion of this model on this verdict, under whatever number. Acting twice would undo a rollback by
    a person."""
    sha256, model = verdict_hash(round_.verdict), round_.training.model_hash
    mine = (e for e in entries if e.step == "done" and e.action == "promote" and e.who == who)
    return next((e for e in mine if e.model_hash == model and e.verdict_sha256 == sha256), None)


def _sides(
    trail: AuditTrail, entries: Sequence[Entry], versions: Sequence[ModelVersion], workspace: Path, hash_of: HashOf
) -> Findings:
    rounds, key = load_rounds(workspace, trail.recipe), signing_key(workspace)
    found = compare_sides(trail, entries, versions, rounds, key=key, hash_of=hash_of)
    if found.files:
        raise ChampionError(found.message)
    return found


def _trail(workspace: Path, recipe: str) -> AuditTrail:
    return AuditTrail(workspace, recipe, signing_key(workspace))


def _find(versions: Sequence[ModelVersion], recipe: str, version: str) -> ModelVersion:
    for found in versions:
        if found.version == version:
            return found
    known = ", ".join(v.version for v in versions) or "none yet"
    raise PromotionRefused(f"{recipe} has no version {version}; there are: {known}")
