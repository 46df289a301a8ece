"""The champion: what the sealed trail says it is, and how it is changed whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneloop.errors import TuneloopError
from tuneloop.files import DigestsOf, file_digests
from tuneloop.ports import ModelVersion, Registry
from tuneloop.registry.audit_trail import AuditTrail, Entry
from tuneloop.registry.model_versions import changed_tags, version_tags
from tuneloop.registry.rounds import load_rounds
from tuneloop.registry.sealed_folders import HashOf, folder_faults, folders_hash
from tuneloop.registry.verdict_signature import signing_key, standing, verdict_hash
from tuneloop.results import Round

# The intent goes to the audit trail first. Moving the alias `champion` is the moment from which the change holds; all
# else follows from the intent and can be repeated. So whoever comes after a killed process sees from the alias whether
# to finish the change or to give it up, and does so before anything else. A difference between registry and trail that
# no sealed intent explains is not such a change: see tuneloop.registry.champion.


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


# The registry's alias, tags and signature, and the files on the disk are held against the trail whenever the champion
# is read. Where they differ nothing is evaluated, exported or promoted until a person has looked.


__all__ = ["ChampionError", "Findings", "anchors", "champion_in", "examine", "past_champions", "require_champion"]


class ChampionError(TuneloopError):
    """Registry, trail and disk do not agree on the champion; the message names both sides and what mends it."""


@dataclass(frozen=True)
class Findings:
    """What was found of a recipe's champion. The lists of faults are in words; all empty: it is verified.

    `champion` is its line in the trail, None where there is none; `round` the one that judged it.
    """

    recipe: str
    champion: Entry | None
    round: Round | None
    trail: list[str] = field(default_factory=list)
    """The trail does not hold together: the file and what to do about it are in `remedy`."""
    registry: list[str] = field(default_factory=list)
    """The registry says something else than the trail."""
    files: list[str] = field(default_factory=list)
    """The record or the folders are not as they were judged."""
    remedy: str = ""
    known: str = ""
    """What the registry says, in words."""

    @property
    def faults(self) -> list[str]:
        return [*self.trail, *self.registry, *self.files]

    @property
    def message(self) -> str:
        """The first kind of fault that there is, both sides, and what to do."""
        name = self.recipe
        if self.trail:
            return (
                f"the audit trail of {name} does not hold together ({'; '.join(self.trail)}): {self.remedy}. Nothing "
                "is promoted meanwhile; `tuneloop models rollback` works"
            )
        if self.registry:
            return (
                f"the registry and the audit trail of {name} differ: {'; '.join(self.registry)}. The trail says: "
                f"{told(self.champion)}. The registry says: {self.known}. Nothing is evaluated, exported or promoted "
                f"until they agree: `tuneloop models repair {name}` shows both and restores what the trail says"
            )
        return (
            f"the champion of {name}, version {self.champion.to_version if self.champion else '-'}, is not what was "
            f"judged: {'; '.join(self.files)}. Bring it back from a backup, or delete the folder and train the same "
            "again with `tuneloop train RECIPE`; `tuneloop models rollback --because TEXT` goes back to the champion "
            "before"
        )


def told(champion: Entry | None) -> str:
    """A champion in a few words."""
    if champion is None or champion.to_version is None:
        return "there is no champion"
    return f"version {champion.to_version} is the champion (model {champion.model_hash[:12]})"


def past_champions(entries: Sequence[Entry]) -> list[Entry]:
    """The lines that made the champions that one can go back to, oldest first, the present one last.

    Rolled-back ones are not among them. A last line whose `to_version` is None: there is no champion now.
    """
    found: list[Entry] = []
    for entry in (e for e in entries if e.step == "done"):
        if entry.action == "rollback":
            found = [*found[:-2], entry]
        elif entry.action == "repair":
            found = [*found[:-1], entry]
        elif entry.action == "retire":
            found = [*found, entry]
        else:
            found = [*(e for e in found if e.to_version is not None), entry]
    return found


def champion_in(entries: Sequence[Entry]) -> Entry | None:
    """The line that made the present champion; None if there is none."""
    found = past_champions(entries)
    return found[-1] if found and found[-1].to_version is not None else None


def round_of_entry(entry: Entry, rounds: Sequence[Round]) -> Round | None:
    """The round that judged the model of a line, if it is kept and still is about that model."""
    found = [r for r in rounds if r.training.model_hash == entry.model_hash]
    if entry.round is not None:
        return next((r for r in found if r.number == entry.round), None)
    same = [r for r in found if entry.verdict_sha256 == verdict_hash(r.verdict)]
    return next(iter(same or found), None)


def served_hash(entry: Entry, round_: Round | None) -> str:
    """Hash of what is served of the champion of a line."""
    return entry.served_hash or (round_.verdict.candidate_hash if round_ else entry.model_hash)


def anchors(versions: Sequence[ModelVersion]) -> list[str]:
    """Seals of lines that the audit trail must hold."""
    return [v.tags[ANCHOR_TAG] for v in versions if v.tags.get(ANCHOR_TAG)]


def examine(
    registry: Registry, workspace: Path, *, recipe: str, hash_of: HashOf, digests_of: DigestsOf | None = file_digests
) -> Findings:
    """Hold trail, registry and disk against each other; a change that was cut off is ended first.

    Args:
        registry: the model registry.
        workspace: where the trail, the rounds and the key are.
        recipe: name of the recipe, and of its model.
        hash_of: of what is served from a folder, for rounds from before folders were sealed.
        digests_of: of the files of a folder; None: the disk is not looked at, which takes one to two seconds per GB.
    """
    key = signing_key(workspace)
    trail = AuditTrail(workspace, recipe, key)
    with trail.held():
        heal(registry, trail)
        entries, versions = trail.entries(), registry.versions(recipe)
    rounds = load_rounds(workspace, recipe)
    return compare_sides(trail, entries, versions, rounds, key=key, hash_of=hash_of, digests_of=digests_of)


def compare_sides(
    trail: AuditTrail,
    entries: Sequence[Entry],
    versions: Sequence[ModelVersion],
    rounds: Sequence[Round],
    *,
    key: bytes,
    hash_of: HashOf,
    digests_of: DigestsOf | None = None,
) -> Findings:
    """`examine`, of what has been read already."""
    broken = trail.faults(entries)
    champion = champion_in(entries)
    round_ = round_of_entry(champion, rounds) if champion else None
    lost = trail.faults(entries, anchors=anchors(versions))[len(broken) :]
    differences = [*registry_faults(trail.recipe, champion, round_, versions, key), *lost]
    files = champion_faults(champion, round_, trail.recipe, versions, key, hash_of, digests_of) if champion else []
    return Findings(
        recipe=trail.recipe, champion=champion, round=round_, trail=broken, registry=differences, files=files,
        remedy=trail.remedy, known=registry_words(versions),
    )  # fmt: skip


def require_agreement(found: Findings) -> None:
    """Raise ChampionError where trail and registry do not agree; the disk does not count."""
    if found.trail or found.registry:
        raise ChampionError(found.message)


def require_champion(
    registry: Registry, workspace: Path, *, recipe: str, hash_of: HashOf, digests_of: DigestsOf | None = file_digests
) -> Mapping[str, str] | None:
    """What is known of the verified champion (the tags of its round, and `version`); None if there is none.

    Args: as of `examine`.

    Raises:
        ChampionError: trail, registry and disk do not agree.
    """
    found = examine(registry, workspace, recipe=recipe, hash_of=hash_of, digests_of=digests_of)
    if found.faults:
        raise ChampionError(found.message)
    if found.champion is None or found.round is None:
        return None
    return version_tags(found.round) | {"version": str(found.champion.to_version)}


def registry_faults(
    recipe: str, champion: Entry | None, round_: Round | None, versions: Sequence[ModelVersion], key: bytes
) -> list[str]:
    """Where the registry says something else than the trail, in words."""
    named = next((v for v in versions if CHAMPION in v.aliases), None)
    if champion is None:
        return [f"the alias `{CHAMPION}` names version {named.version}, and no promotion made it so"] if named else []
    wanted = champion.to_version
    if not versions:
        return [f"there is no model {recipe} with a version in it: it was renamed or deleted"]
    found = next((v for v in versions if v.version == wanted), None)
    faults = [] if found else [f"version {wanted} was deleted"]
    if named is None and found:
        faults.append(f"the alias `{CHAMPION}` was taken away")
    if named is not None and named.version != wanted:
        faults.append(f"the alias `{CHAMPION}` names version {named.version}, and no promotion made it so")
    return [*faults, *(_tag_faults(champion, round_, found, key) if found else [])]


def champion_faults(
    champion: Entry,
    round_: Round | None,
    recipe: str,
    versions: Sequence[ModelVersion],
    key: bytes,
    hash_of: HashOf,
    digests_of: DigestsOf | None,
) -> list[str]:
    """Where the round's record or its folders are not as they were when the model became the champion."""
    if round_ is None:
        name = f"round {champion.round}" if champion.round else "the round that judged it"
        return [f"the record of {name} in the workspace's rounds/{recipe} is gone or about another model"]
    found = next((v for v in versions if v.version == champion.to_version), None)
    tags = found.tags if found else {}
    # A verdict that waited for people is replaced when they have spoken, and signed anew.
    is_same = champion.verdict_sha256 in {None, verdict_hash(round_.verdict)}
    if not is_same and standing(tags, round_.verdict, recipe=recipe, key=key) != "verified":
        return [f"the verdict in the record of round {round_.number} is not the one that was signed"]
    if served_hash(champion, round_) != round_.verdict.candidate_hash:
        return [f"the record of round {round_.number} is about another model"]
    if champion.folders_sha256 not in {None, folders_hash(round_)}:
        return [f"the list of files in the record of round {round_.number} is not the one that was sealed"]
    if digests_of is None:
        return []
    return folder_faults(round_, key=key, digests_of=digests_of, hash_of=hash_of, tags=tags)


def registry_words(versions: Sequence[ModelVersion]) -> str:
    """Which champion the registry names, and which versions there are."""
    named = next((v for v in versions if CHAMPION in v.aliases), None)
    there = f"versions {', '.join(v.version for v in versions)}" if versions else "no versions"
    if named is None:
        return f"no version is the champion ({there})"
    return f"version {named.version} is the champion (model {named.tags.get('model_hash', 'unknown')[:12]}; {there})"


def _tag_faults(champion: Entry, round_: Round | None, version: ModelVersion, key: bytes) -> list[str]:
    if round_ is None:  # the disk's fault is told; the tag is all there is to look at
        wrong = ["model_hash"] if version.tags.get("model_hash") != champion.model_hash else []
    else:
        wrong = changed_tags(round_, version.tags)
        is_same = champion.verdict_sha256 == verdict_hash(round_.verdict)  # else the record's fault is told
        if is_same and standing(version.tags, round_.verdict, recipe=round_.recipe, key=key) != "verified":
            wrong.append("the verdict's signature")
    return [f"{', '.join(wrong)} of version {version.version} say something else than its round"] if wrong else []
