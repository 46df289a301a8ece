"""Changing the champion: checked, audited, and whole or not at all.

The intent goes to the audit trail first. Pointing the alias `champion` at the new version is the moment from which
the change holds; all else follows from the intent and can be repeated. So whoever comes after a killed process sees
from the alias whether to finish the change or to give it up, and does so before anything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuneloop.history.audit_trail import GATE, AuditTrail, Entry
from tuneloop.history.promotion_checks import (
    HashOf,
    PromotionRefused,
    check_artefact,
    check_champion,
    check_person,
    check_verdict,
)
from tuneloop.history.verdict_signature import HASH_TAG, signing_key, verdict_hash
from tuneloop.ports import ModelVersion, Registry
from tuneloop.results import Verdict

CHAMPION, PREVIOUS, CANDIDATE, CHALLENGER = "champion", "previous", "candidate", "challenger"
ANCHOR_TAG = "promotion_seal"
"""Tag of a version: seal of the intent that last made it the champion, so that a shortened trail shows."""


def promote(
    registry: Registry,
    workspace: Path,
    *,
    recipe: str,
    version: str,
    verdict: Verdict | None,
    because: str,
    person: str | None,
    hash_of: HashOf,
    as_judged: bool = False,
) -> Entry | None:
    """Make the version the champion; returns the last line of the audit trail about it, or None if it was the champion.

    `verdict` is what is kept of the version's round, None if nothing is. `person` is who decides; None for the gate,
    which acts on a verdict once, and only while the champion is the one that it compared with. So does a person whose
    word is about that comparison (`as_judged`).

    Raises:
        PromotionRefused: verdict, signature, artefact or trail do not allow it. StaleVerdict: see there.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    with trail.held():
        heal(registry, trail)
        versions = registry.versions(recipe)
        target, aliases = _find(versions, recipe, version), _aliases(versions)
        judged = check_verdict(target, verdict, recipe=recipe, key=signing_key(workspace), person=person)
        once = who == GATE or as_judged
        acted = _acted_on(trail.entries(), target, judged, who) if once else None
        if acted or aliases.get(CHAMPION) == version:
            return acted
        champion = next((v for v in versions if CHAMPION in v.aliases), None)
        if once:
            check_champion(judged, champion.tags if champion else None)
        check_artefact(target, recipe=recipe, hash_of=hash_of)
        _check_trail(trail)
        intent = trail.append(
            action="promote", step="intent", who=who, because=because,
            from_version=champion.version if champion else None, to_version=version,
            previous_version=champion.version if champion else None,
            model_hash=target.tags["model_hash"], verdict_sha256=verdict_hash(judged),
        )  # fmt: skip
        return _carry_out(registry, trail, intent)


def roll_back(registry: Registry, workspace: Path, *, recipe: str, because: str, person: str, hash_of: HashOf) -> Entry:
    """Bring back the champion before this one; each further call goes one further back, never forward again.

    A rolled-back version comes back by `promote` alone. If an earlier call was killed after it took effect, it is
    finished, and nothing more is done.

    Raises:
        PromotionRefused: there is none before, or its model is not on the disk any more.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    with trail.held():
        finished = heal(registry, trail)
        if finished is not None and finished.action == "rollback":
            return finished
        versions = registry.versions(recipe)
        reigns = past_champions(trail.entries(), _aliases(versions))
        if len(reigns) < 2:  # noqa: PLR2004 (the champion and one before it)
            raise PromotionRefused(
                f"{recipe} has no champion before this one to go back to; `tuneloop models list {recipe}` shows the "
                "versions, `tuneloop models promote VERSION --because TEXT` makes one of them the champion"
            )
        target = _find(versions, recipe, reigns[-2])
        check_artefact(target, recipe=recipe, hash_of=hash_of)
        intent = trail.append(
            action="rollback", step="intent", who=who, because=because,
            from_version=reigns[-1], to_version=target.version,
            previous_version=reigns[-3] if len(reigns) > 2 else None,  # noqa: PLR2004
            model_hash=target.tags.get("model_hash", ""), verdict_sha256=target.tags.get(HASH_TAG),
        )  # fmt: skip
        return _carry_out(registry, trail, intent)


def decline(
    registry: Registry, workspace: Path, *, recipe: str, version: str, verdict: Verdict, because: str, person: str
) -> Entry:
    """Note that a person said no: the version keeps its alias, `tuneloop models promote` can still change that.

    Saying it again about the same verdict adds no line.
    """
    who, trail = check_person(person, because), _trail(workspace, recipe)
    with trail.held():
        heal(registry, trail)
        versions = registry.versions(recipe)
        target = _find(versions, recipe, version)
        for entry in trail.entries():
            if (entry.step, entry.to_version, entry.verdict_sha256) == ("declined", version, verdict_hash(verdict)):
                return entry
        return trail.append(
            action="promote", step="declined", who=who, because=because,
            from_version=_aliases(versions).get(CHAMPION), to_version=version, previous_version=None,
            model_hash=target.tags["model_hash"], verdict_sha256=verdict_hash(verdict),
        )  # fmt: skip


def mark_registered(registry: Registry, workspace: Path, *, recipe: str, version: str, decision: str) -> None:
    """Point `challenger` (a person has to decide) or `candidate` (all others) at a version that was just registered.

    A version that is or was just the champion keeps its place: a round that is finished again changes nothing.
    """
    with (trail := _trail(workspace, recipe)).held():
        heal(registry, trail)
        aliases = _aliases(registry.versions(recipe))
        if version in {aliases.get(CHAMPION), aliases.get(PREVIOUS)}:
            return
        name, other = (CHALLENGER, CANDIDATE) if decision == "needs_review" else (CANDIDATE, CHALLENGER)
        registry.set_alias(recipe, name, version)
        if aliases.get(other) == version:
            registry.set_alias(recipe, other, None)


def heal(registry: Registry, trail: AuditTrail) -> Entry | None:
    """End a change that a killed process began: finish it if it took effect (the line is returned), else give it up."""
    entries = trail.entries()
    if not entries or entries[-1].step != "intent":
        return None
    intent = entries[-1]
    if _aliases(registry.versions(trail.recipe)).get(CHAMPION) == intent.to_version:
        return _settle(registry, trail, intent)
    _end(trail, intent, "abandoned")
    return None


def past_champions(entries: Sequence[Entry], aliases: Mapping[str, str]) -> list[str]:
    """Versions that one can go back to, oldest first, the champion last: rolled-back ones are not among them.

    Where the registry's champion is not the trail's, as after a promotion from before there was a trail, its aliases
    are all that is known.
    """
    reigns: list[str] = []
    for entry in (e for e in entries if e.step == "done"):
        if entry.action == "rollback":
            reigns = [*reigns[:-2], entry.to_version]
        else:
            if entry.from_version and entry.from_version not in reigns[-1:]:  # the alias was moved by hand
                reigns = [*reigns, entry.from_version]
            reigns = [*reigns, entry.to_version]
    if reigns and reigns[-1] == aliases.get(CHAMPION):
        return reigns
    return [version for name in (PREVIOUS, CHAMPION) if (version := aliases.get(name))]


def anchors(versions: Sequence[ModelVersion]) -> list[str]:
    """Seals of lines that the audit trail must hold."""
    return [v.tags[ANCHOR_TAG] for v in versions if ANCHOR_TAG in v.tags]


def _carry_out(registry: Registry, trail: AuditTrail, intent: Entry) -> Entry:
    registry.set_alias(trail.recipe, CHAMPION, intent.to_version)
    return _settle(registry, trail, intent)


def _settle(registry: Registry, trail: AuditTrail, intent: Entry) -> Entry:
    """All that follows once `champion` names the new version; may be repeated."""
    registry.set_alias(trail.recipe, PREVIOUS, intent.previous_version)
    aliases = _aliases(registry.versions(trail.recipe))
    for name in (CANDIDATE, CHALLENGER):
        if aliases.get(name) == intent.to_version:
            registry.set_alias(trail.recipe, name, None)
    registry.set_tags(trail.recipe, intent.to_version, {ANCHOR_TAG: intent.seal})
    return _end(trail, intent, "done")


def _end(trail: AuditTrail, intent: Entry, step: str) -> Entry:
    same = intent.model_dump(exclude={"number", "at", "recipe", "step", "intent", "before", "seal"})
    return trail.append(**same, step=step, intent=intent.number)


def _acted_on(entries: Sequence[Entry], version: ModelVersion, verdict: Verdict, who: str) -> Entry | None:
    """An earlier promotion of this version on this verdict. Acting twice would undo a rollback by a person."""
    sha256 = verdict_hash(verdict)
    mine = (e for e in entries if e.step == "done" and e.action == "promote" and e.who == who)
    return next((e for e in mine if e.to_version == version.version and e.verdict_sha256 == sha256), None)


def _check_trail(trail: AuditTrail) -> None:
    """Without the anchors: a trail that was lost must not stop promotions for ever, and `models audit` tells of it."""
    if faults := trail.faults(trail.entries()):
        raise PromotionRefused(
            f"the audit trail {trail.file} does not hold together ({faults[0]}): bring it back from a backup, or "
            "move it away to start a new one; `tuneloop models rollback` works meanwhile"
        )


def _trail(workspace: Path, recipe: str) -> AuditTrail:
    return AuditTrail(workspace, recipe, signing_key(workspace))


def _aliases(versions: Sequence[ModelVersion]) -> dict[str, str]:
    return {alias: v.version for v in versions for alias in v.aliases}


def _find(versions: Sequence[ModelVersion], recipe: str, version: str) -> ModelVersion:
    for found in versions:
        if found.version == version:
            return found
    known = ", ".join(v.version for v in versions) or "none yet"
    raise PromotionRefused(f"{recipe} has no version {version}; there are: {known}")
