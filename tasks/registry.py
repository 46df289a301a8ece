"""Tracking, registering and promoting in MLflow."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from prefect import task

from tasks import wiring
from tasks.outages import PAUSES_SECONDS, RETRIES
from tuneloop.errors import ServiceError
from tuneloop.recipes import Recipe
from tuneloop.registry.champion import examine, require_agreement, require_champion
from tuneloop.registry.model_versions import lost_of, round_of, version_tags
from tuneloop.registry.promotion_checks import StaleVerdict, check_same_verdict
from tuneloop.registry.promotions import decline as decline_version
from tuneloop.registry.promotions import mark_registered
from tuneloop.registry.promotions import promote as promote_version
from tuneloop.registry.rounds import load_rounds
from tuneloop.registry.summary import summarise
from tuneloop.registry.verdict_signature import signature_tags, signing_key
from tuneloop.results import Approval, EvaluationReport, Metric, Round, Verdict
from tuneloop.training.export.served import artefact_hash

BY_THE_GATE = "every rule of the gate holds"
_log = logging.getLogger(__name__)


def worth_repeating(_task: object, _run: object, state: Any) -> bool:
    """A server that is away may come back; a refusal stays one."""
    return isinstance(state.result(raise_on_failure=False), ServiceError)


@task(name="look up champion", retries=RETRIES, retry_delay_seconds=PAUSES_SECONDS, retry_condition_fn=worth_repeating)
def champion_of(recipe: str) -> Mapping[str, str] | None:
    """Tags of the model in production, or None before the first promotion.

    Audit trail, registry and files are held against each other first; where they differ, the run ends here.
    """
    return require_champion(wiring.registry(), wiring.workspace(), recipe=recipe, hash_of=artefact_hash)


@task(name="reconcile registry", retries=3, retry_delay_seconds=5, retry_condition_fn=worth_repeating)
def lost(round_: Round) -> Literal["version", "model"] | None:
    """What somebody has deleted of a finished round, so that it can be made again."""
    found = lost_of(round_, wiring.registry().versions(round_.recipe))
    if found:
        _log.warning(
            "version %s of %s, that of round %s, was deleted from the registry%s: it is made again",
            round_.model_version, round_.recipe, round_.number, ", and its model from the disk" * (found == "model"),
        )  # fmt: skip
    return found


@task(
    name="register",
    task_run_name="register round {round_.number}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def register(recipe: Recipe, round_: Round, artifacts: list[str]) -> tuple[str, str]:
    """Record the round and its adapter once, with its signed verdict; returns (run id, model version)."""
    registry, workspace = wiring.registry(), wiring.workspace()
    now = examine(registry, workspace, recipe=recipe.name, hash_of=artefact_hash, digests_of=None)
    require_agreement(now)
    tags = version_tags(round_)
    check_same_verdict(registry.versions(recipe.name), tags=tags, verdict=round_.verdict)
    run_id = registry.log_round(
        recipe.name,
        f"{recipe.name}-{round_.training_key}",
        params=_flat(recipe.model_dump(include={"model", "training", "evaluation"})),
        metrics=_metrics(round_),
        tags=tags | _code(round_),
        artifacts=[Path(artifact) for artifact in artifacts],
        documents=_documents(round_),
    )
    signed = signature_tags(round_.verdict, recipe=recipe.name, key=signing_key(workspace))
    champion = version_tags(now.round) if now.champion and now.round else {}
    # A later round that ends in the champion's own weights is refused as identical: that is no word against them.
    again = champion.get("model_hash") == tags["model_hash"] and champion.get("round") != tags["round"]
    adapter = Path(round_.training.adapter)
    version = registry.register(recipe.name, run_id, artifact=adapter, tags={} if again else tags | signed)
    mark_registered(registry, workspace, recipe=recipe.name, version=version, decision=round_.verdict.decision)
    return run_id, version


@task(
    name="promote",
    task_run_name="promote version {version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def promote(recipe: str, version: str, approval: Approval | None = None) -> None:
    """Make the version the champion, as the gate (and a person, if asked) decided: one idempotent step, last in the
    round.

    A verdict that compared with another champion than today's promotes nothing: the version waits for a person.
    """
    registry, workspace = wiring.registry(), wiring.workspace()
    round_ = _round(workspace, recipe, version)
    try:
        entry = promote_version(
            registry, workspace, recipe=recipe, version=version, round_=round_,
            because=approval.because if approval else BY_THE_GATE, person=approval.by if approval else None,
            hash_of=artefact_hash, as_judged=True,
        )  # fmt: skip
    except StaleVerdict as error:
        mark_registered(registry, workspace, recipe=recipe, version=version, decision="needs_review")
        _log.warning("version %s was not promoted: %s", version, error)
        return
    if entry is not None:
        _log.info("version %s: %s, audit line %s", version, entry.step, entry.number)


@task(
    name="decline",
    task_run_name="decline version {version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def decline(recipe: str, version: str, verdict: Verdict, approval: Approval) -> None:
    """Write a person's no into the audit trail; the version stays what it is."""
    decline_version(
        wiring.registry(), wiring.workspace(), recipe=recipe, version=version, verdict=verdict,
        because=approval.because, person=approval.by,
    )  # fmt: skip


def _round(workspace: Path, recipe: str, version: str) -> Round | None:
    found = next((v for v in wiring.registry().versions(recipe) if v.version == version), None)
    return round_of(found, load_rounds(workspace, recipe)) if found else None


def _code(round_: Round) -> dict[str, str]:
    """What the round was made with; MLflow shows its own tag for the commit beside the run."""
    commit = round_.environment.get("commit")
    tags = {f"environment.{name}": value for name, value in round_.environment.items()}
    return tags | ({"mlflow.source.git.commit": commit} if commit else {})


def _documents(round_: Round) -> dict[str, str]:
    """The verdict, the recipe as it was, and all scores with their intervals, under their exact names."""
    scores = {name: dict(_scores(report)) for name, report in _reports(round_)}
    with_intervals = {
        model: {name: metric.model_dump() for name, metric in metrics.items()} for model, metrics in scores.items()
    }
    return {
        "verdict.json": round_.verdict.model_dump_json(indent=1),
        "recipe-as-run.yaml": yaml.safe_dump(round_.model_dump(mode="json")["settings"], sort_keys=False),
        "scores.json": json.dumps(with_intervals, indent=1),
        "environment.json": json.dumps(round_.environment, indent=1),
    }


def _metrics(round_: Round) -> dict[str, float]:
    summary = summarise([round_])[0]
    values = {k: summary[k] for k in ("train_loss", "eval_loss", "tokens_per_second", "rows_train", "rows_quarantined")}
    for prefix, report in _reports(round_):
        values |= {f"{prefix}_{name}": metric.value for name, metric in _scores(report)}
    return {name: float(value) for name, value in values.items() if value is not None}


def _reports(round_: Round) -> list[tuple[str, EvaluationReport]]:
    named = (("candidate", round_.candidate), ("base", round_.base), ("champion", round_.champion))
    return [(name, report) for name, report in named if report is not None]


def _scores(report: EvaluationReport) -> Iterator[tuple[str, Metric]]:
    """Every score by name: of the test rows and the suites, then `METRIC/SLICE` and `METRIC/SUITE=CATEGORY`."""
    yield from report.everything.items()
    for part, metrics in (report.slices | report.categories).items():
        for name, metric in metrics.items():
            yield f"{name}/{part.replace('/', '_')}", metric


def _flat(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
