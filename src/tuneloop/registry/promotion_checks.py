"""What must hold before a version may become the champion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tuneloop.errors import TuneloopError
from tuneloop.files import DigestsOf
from tuneloop.ports import ModelVersion
from tuneloop.registry.audit_trail import GATE
from tuneloop.registry.rounds import served_by
from tuneloop.registry.sealed_folders import HashOf, folder_faults
from tuneloop.registry.verdict_signature import HASH_TAG, standing, verdict_hash
from tuneloop.results import Round, Verdict


class PromotionRefused(TuneloopError):  # noqa: N818 (it says what happened, not what went wrong)
    """A version may not become the champion; the message says why and what to do."""


class StaleVerdict(PromotionRefused):
    """The champion has changed since the verdict: the gate compared with another one, so a person has to decide."""


def check_verdict(version: ModelVersion, round_: Round | None, *, recipe: str, key: bytes, person: str | None) -> Round:
    """The round, if its verdict is the signed one, is about this version, and lets it pass.

    Raises:
        PromotionRefused: it does not.
    """
    name = f"version {version.version} of {recipe}"
    verdict = round_.verdict if round_ else None
    found = standing(version.tags, verdict, recipe=recipe, key=key)
    if round_ is None or verdict is None:
        raise PromotionRefused(
            f"{name}: the round that judged it is not in this workspace; judge it with `tuneloop run`"
        )
    if found == "unsigned":
        raise PromotionRefused(f"{name}: its verdict was never signed; `tuneloop run` judges and signs a new one")
    if found == "changed":
        raise PromotionRefused(
            f"{name}: the verdict in its round is not the one that was signed. Bring the round's file back from a "
            "backup, or train and judge again with `tuneloop run`; if the workspace's signing.key was lost, nothing "
            "that was signed before verifies any more"
        )
    if verdict.candidate_hash != served_by(version.tags)[1]:
        raise PromotionRefused(f"{name}: its verdict is about another model ({verdict.candidate_hash[:12]})")
    if verdict.decision == "reject":
        raise PromotionRefused(
            f"{name}: the gate refused it; `tuneloop report` shows why. A refused model cannot be promoted: change the "
            "recipe's rules and run again if they are wrong"
        )
    if verdict.decision == "needs_review" and person is None:
        raise PromotionRefused(
            f"{name}: a person has to decide; `tuneloop models promote {version.version} --because TEXT` if it is good"
        )
    return round_


def check_same_verdict(versions: Sequence[ModelVersion], *, tags: Mapping[str, str], verdict: Verdict) -> None:
    """A round that is registered again brings the verdict that was signed the first time; `tags` are its own.

    Raises:
        PromotionRefused: it brings another one, which must not be signed as well.
    """
    for version in versions:
        if version.tags.get("decision") == "needs_review":  # people have said what was waited for
            continue
        same_round = all(version.tags.get(name) == tags[name] for name in ("round", "flow_run_id", "model_hash"))
        if same_round and version.tags.get(HASH_TAG, verdict_hash(verdict)) != verdict_hash(verdict):
            raise PromotionRefused(
                f"round {tags['round']} was registered as version {version.version} with another verdict than its file "
                "holds now: bring the file back from a backup"
            )


def check_person(person: str | None, because: str) -> str:
    """Who answers for the change.

    Raises:
        PromotionRefused: a person gave no name or no reason, or calls herself the gate.
    """
    if person is None:
        return GATE
    if not person.strip() or person.strip() == GATE:
        raise PromotionRefused(f"{person!r} names nobody: set TUNELOOP_USER to the name of who decides")
    if not because.strip():
        raise PromotionRefused("say why: --because needs a reason, which is kept in the audit trail")
    return person.strip()


def check_artefact(version: ModelVersion, round_: Round, *, key: bytes, digests_of: DigestsOf, hash_of: HashOf) -> None:
    """The round's folders hold the model that was judged.

    Raises:
        PromotionRefused: one is gone or holds something else.
    """
    faults = folder_faults(round_, key=key, digests_of=digests_of, hash_of=hash_of, tags=version.tags)
    if faults:
        raise PromotionRefused(
            f"version {version.version} of {round_.recipe} is not what was judged: {'; '.join(faults)}; bring the "
            "folder back from a backup, or delete it and train the same again with `tuneloop train RECIPE`"
        )


def check_champion(verdict: Verdict, champion_hash: str | None) -> None:
    """The champion, whose served hash is given, is the one that the verdict compared with.

    Raises:
        StaleVerdict: it is another one.
    """
    if verdict.champion_hash != champion_hash:
        raise StaleVerdict(
            f"the gate compared with champion {_name(verdict.champion_hash)}, and now it is {_name(champion_hash)}: "
            "a person has to decide, with `tuneloop models promote VERSION --because TEXT`"
        )


def _name(model_hash: str | None) -> str:
    return model_hash[:12] if model_hash else "none"
