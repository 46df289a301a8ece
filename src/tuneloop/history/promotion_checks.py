"""What must hold before a version may become the champion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tuneloop.errors import TuneloopError
from tuneloop.history.audit_trail import GATE
from tuneloop.history.verdict_signature import HASH_TAG, standing, verdict_hash
from tuneloop.ports import ModelVersion
from tuneloop.results import Verdict

HashOf = Callable[[Path], str]
"""Hash of a model's folder, `tuneloop.training.base_models.folder_hash`."""


class PromotionRefused(TuneloopError):  # noqa: N818 (it says what happened, not what went wrong)
    """A version may not become the champion; the message says why and what to do."""


class StaleVerdict(PromotionRefused):
    """The champion has changed since the verdict: the gate compared with another one, so a person has to decide."""


def served_by(tags: Mapping[str, str]) -> tuple[str, str]:
    """(folder, hash) of what a version serves; versions from before there were such tags serve their merged model."""
    return tags.get("served_path") or tags.get("model_path", ""), tags.get("served_hash") or tags.get("model_hash", "")


def check_verdict(
    version: ModelVersion, verdict: Verdict | None, *, recipe: str, key: bytes, person: str | None
) -> Verdict:
    """The verdict, if it is the signed one, is about this version, and lets it pass.

    Raises:
        PromotionRefused: it does not.
    """
    name = f"version {version.version} of {recipe}"
    found = standing(version.tags, verdict, recipe=recipe, key=key)
    if verdict is None or found == "no round":
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
    return verdict


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


def check_artefact(version: ModelVersion, *, recipe: str, hash_of: HashOf) -> None:
    """The folder that would be served holds the model that was judged.

    Raises:
        PromotionRefused: it is gone or holds something else.
    """
    path, wanted = served_by(version.tags)
    folder = Path(path)
    advice = "bring the folder back from a backup, or delete it and run the recipe again for a new model"
    if not path or not folder.is_dir():
        raise PromotionRefused(
            f"version {version.version} of {recipe}: its model is not at {folder} any more; {advice}"
        )
    found = hash_of(folder)
    if found != wanted:
        raise PromotionRefused(
            f"version {version.version} of {recipe}: {folder} does not hold the model that was judged (hash "
            f"{found[:12]}, judged {wanted[:12]}); {advice}"
        )


def check_champion(verdict: Verdict, champion: Mapping[str, str] | None) -> None:
    """The champion is the one that the verdict compared with.

    Raises:
        StaleVerdict: it is another one.
    """
    now = served_by(champion)[1] if champion else None
    if verdict.champion_hash != now:
        raise StaleVerdict(
            f"the gate compared with champion {_name(verdict.champion_hash)}, and now it is {_name(now)}: "
            "a person has to decide, with `tuneloop models promote VERSION --because TEXT`"
        )


def _name(model_hash: str | None) -> str:
    return model_hash[:12] if model_hash else "none"
