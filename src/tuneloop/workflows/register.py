"""Register a round: one tracked run with all its figures, and its adapter as a version with a signed verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from tuneloop.ports import Registry
from tuneloop.recipes import Recipe
from tuneloop.registry.champion import examine, require_agreement
from tuneloop.registry.model_versions import round_of, version_tags
from tuneloop.registry.promotion_checks import check_same_verdict
from tuneloop.registry.promotions import mark_registered
from tuneloop.registry.rounds import load_rounds
from tuneloop.registry.summary import summarise
from tuneloop.registry.verdict_signature import signature_tags, signing_key
from tuneloop.results import EvaluationReport, Metric, Round
from tuneloop.training.export.served import artefact_hash


def register_round(
    recipe: Recipe, round_: Round, artifacts: Sequence[Path], *, registry: Registry, workspace: Path
) -> tuple[str, str]:
    """Record the round and its adapter once; returns (run id, model version)."""
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
        artifacts=artifacts,
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


def round_of_version(registry: Registry, workspace: Path, recipe: str, version: str) -> Round | None:
    """Return the round that made the version; None where either is gone."""
    found = next((v for v in registry.versions(recipe) if v.version == version), None)
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
