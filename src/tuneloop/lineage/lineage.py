"""Where a model came from: round, training, data version, rows, reviewers, verdict, and the model it replaced.

Everything is read from the workspace; what is not there any more is named in `missing`. No row's text is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.errors import DataError
from tuneloop.lineage.lineage_rows import Lineage, all_rows, reviewed_rows
from tuneloop.registry.known_rounds import HashOf, KnownRounds, lines_with
from tuneloop.results import DataManifest, Origin, Round, Verdict
from tuneloop.row_files import splits_in
from tuneloop.workspaces import feedback_folder


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelName(Part):
    """A model as people call it."""

    recipe: str
    round: int
    model_version: str | None
    model_hash: str
    decision: str


class ReviewerRows(Part):
    """Corrections by one pseudonym in one review set that became rows: split -> ids."""

    reviewer: str
    review_set: str
    rows: dict[str, list[str]]


class Reviews(Part):
    """What people said of this model's answers; `reviewers` are pseudonyms with the number of their responses."""

    responses: int
    corrected: int
    mean_rating: float | None
    reviewers: dict[str, int]


class DataStep(Part):
    """The data version, its sources and what was set aside; `ancestors` are its parents' versions, nearest first."""

    version: str
    created_at: str
    commit: str | None
    sources: list[Origin]
    rows_in: int
    rows: dict[str, int]
    rows_synthetic: int
    review_rows: int
    reasons: dict[str, int]
    checks: int
    checks_failed: list[str]
    ancestors: list[str]
    forgotten: dict[str, int] = {}
    """Rows that were erased since, by split; the model has seen them."""


class TrainingStep(Part):
    key: str
    adapter: str
    adapter_hash: str | None
    base_hash: str
    objective: str
    start: ModelName | None
    """The model whose adapters were trained on; None: fresh ones on the base."""
    steps: int
    kept_step: int | None
    rows: int
    rows_left_out: int
    train_loss: float
    eval_loss: float | None
    settings: dict[str, Any]
    chosen: dict[str, str]


class ModelLineage(Part):
    """All that is known of how a model came to be."""

    model: ModelName
    started_at: str
    trigger: str
    flow_run_id: str | None
    mlflow_run_id: str | None
    training: TrainingStep
    data: DataStep | None
    reviewers: list[ReviewerRows]
    reviews: Reviews | None
    scores: dict[str, float]
    verdict: Verdict
    champion: ModelName | None
    """The model in production when this one was judged; a promoted model has replaced it."""
    environment: dict[str, str]
    rows: list[Lineage] = []
    missing: list[str]
    faults: list[str] = []
    """Where files, registry or audit trail are not what they were when the model was judged or promoted."""


def model_name(round_: Round) -> ModelName:
    return ModelName(
        recipe=round_.recipe,
        round=round_.number,
        model_version=round_.model_version,
        model_hash=round_.training.model_hash,
        decision=round_.verdict.decision,
    )


def model_lineage(
    workspace: Path, round_: Round, known: KnownRounds, hash_of: HashOf, *, rows: bool = False
) -> ModelLineage:
    """Walk back from the model of a round.

    Args:
        workspace: where data/ and feedback/ are.
        round_: whose model it is.
        known: all rounds, for the models before it.
        hash_of: of a folder's files, for adapters.
        rows: list every training row too (id, source, line); they are read a batch at a time.
    """
    missing = list(known.missing)
    folder = workspace / "data" / round_.data.version
    manifest = manifest_of(folder, missing)
    return ModelLineage(
        model=model_name(round_),
        started_at=round_.started_at,
        trigger=round_.trigger,
        flow_run_id=round_.flow_run_id,
        mlflow_run_id=round_.mlflow_run_id,
        training=_training(round_, known, hash_of, missing),
        data=_data(workspace, manifest) if manifest else None,
        reviewers=_reviewers(folder, manifest, missing),
        reviews=_reviews(feedback_folder(workspace, round_.recipe) / "responses.jsonl", round_),
        scores={name: metric.value for name, metric in round_.candidate.everything.items()},
        verdict=round_.verdict,
        champion=_champion(round_, known, missing),
        environment=_kept(round_, "environment", missing),
        rows=_readable(all_rows(folder, "train"), missing) if rows else [],
        missing=missing,
    )


def manifest_of(folder: Path, missing: list[str]) -> DataManifest | None:
    """What is known of a data version; None, with the reason in `missing`, where that cannot be read."""
    try:
        return DataManifest.model_validate_json((folder / "manifest.json").read_bytes())
    except FileNotFoundError:
        missing.append(f"data version {folder.name}: its manifest is gone")
    except ValidationError:
        missing.append(f"data version {folder.name}: another release of tuneloop wrote its manifest, or it is damaged")
    return None


def _training(round_: Round, known: KnownRounds, hash_of: HashOf, missing: list[str]) -> TrainingStep:
    training, adapter = round_.training, Path(round_.training.adapter)
    if not adapter.is_dir():
        missing.append(f"adapter of round {round_.number}: its folder is gone")
    return TrainingStep(
        key=round_.training_key,
        adapter=training.adapter,
        adapter_hash=hash_of(adapter) if adapter.is_dir() else None,
        base_hash=training.base_hash,
        objective=training.objective,
        start=_start(training.start, known, hash_of, missing),
        steps=training.steps,
        kept_step=training.kept_step,
        rows=training.rows or round_.data.rows_train,
        rows_left_out=training.rows_left_out,
        train_loss=training.train_loss,
        eval_loss=training.eval_loss,
        settings=_kept(round_, "settings", missing).get("training", {}),
        chosen=training.chosen,
    )


def _kept(round_: Round, name: str, missing: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = getattr(round_, name)
    if not found:
        missing.append(f"{name} of round {round_.number}: not kept, an earlier release of tuneloop wrote the round")
    return found


def _start(start: str, known: KnownRounds, hash_of: HashOf, missing: list[str]) -> ModelName | None:
    if start == "base":
        return None
    found = known.of_adapter(start, hash_of)
    if not found:
        missing.append(f"the model that training went on from (adapter {start[:12]}): no round still has it")
    return model_name(found[0]) if found else None


def _data(workspace: Path, manifest: DataManifest) -> DataStep:
    failed = [f"{c.expectation} ({c.severity}): {c.count}" for c in manifest.checks if not c.success]
    names = (
        "version",
        "created_at",
        "commit",
        "sources",
        "rows_in",
        "rows",
        "rows_synthetic",
        "review_rows",
        "reasons",
    )
    return DataStep(
        **{name: getattr(manifest, name) for name in names},
        checks=len(manifest.checks),
        checks_failed=failed,
        ancestors=_ancestors(workspace, manifest),
        forgotten=manifest.forgotten.rows if manifest.forgotten else {},
    )


def _ancestors(workspace: Path, manifest: DataManifest) -> list[str]:
    """Versions before this one as far back as their manifests can be read."""
    found: list[str] = []
    waiting = list(manifest.parents)
    while waiting:
        version = waiting.pop(0)
        if version not in {*found, manifest.version}:
            found.append(version)
            parent = manifest_of(workspace / "data" / version, [])
            waiting += parent.parents if parent else []
    return found


def _reviewers(folder: Path, manifest: DataManifest | None, missing: list[str]) -> list[ReviewerRows]:
    """Who corrected what, over all splits."""
    by_person: dict[tuple[str, str], dict[str, list[str]]] = {}
    for split in splits_in(folder, manifest.rows if manifest else {}):
        if not (folder / f"{split}.parquet").is_file():
            missing.append(f"data version {folder.name}: the {split} rows are gone")
        for row in _readable(reviewed_rows(folder, split), missing):
            person = (str(row.review["reviewer"]), str(row.review.get("review_set", "")))
            by_person.setdefault(person, {}).setdefault(split, []).append(row.id)
    return [ReviewerRows(reviewer=p, review_set=s, rows=rows) for (p, s), rows in sorted(by_person.items())]


def _readable(rows: Iterator[Lineage], missing: list[str]) -> list[Lineage]:
    try:
        return list(rows)
    except DataError as error:
        missing.append(str(error))
        return []


def _reviews(file: Path, round_: Round) -> Reviews | None:
    """Responses to this model's answers, which carry the first letters of its hash."""
    if not file.is_file():
        return None
    name = round_.training.model_hash
    said = [r for r in lines_with(file, name[:8]) if r.get("model") and name.startswith(str(r["model"]))]
    rows = [r for r in said if r.get("status", "submitted") == "submitted" and r.get("kind") != "adjudication"]
    ratings = [float(r["rating"]) for r in rows if r.get("rating") is not None]
    return Reviews(
        responses=len(rows),
        corrected=sum(bool(r.get("correction")) for r in rows),
        mean_rating=fmean(ratings) if ratings else None,
        reviewers=_counted(str(r.get("reviewer", "unknown")) for r in rows),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _champion(round_: Round, known: KnownRounds, missing: list[str]) -> ModelName | None:
    champion = round_.verdict.champion_hash
    if champion is None:
        return None
    found = [r for r in known.rounds if r.training.model_hash == champion]
    if not found:
        missing.append(f"the model that was in production before (hash {champion[:12]}): no known round made it")
    return model_name(found[0]) if found else None
