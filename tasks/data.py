"""Validation and snapshot of a recipe's data."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import file_hash, key, run_cached
from tuneloop.data.fingerprints import fingerprint
from tuneloop.data.snapshots import load_manifest
from tuneloop.recipes import Recipe, Source
from tuneloop.reports.data.tables import artifact_markdown, funnel_rows
from tuneloop.results import DataReport
from tuneloop.review.collecting import ACCEPTED, CORRECTIONS, PREFERENCES, ROW_VERDICTS, THUMBS
from tuneloop.tombstones import FILE as TOMBSTONES
from tuneloop.workflows.prepare_data import prepare_data


def data_version(recipe: Recipe, base: Path) -> DataReport:
    """The recipe's data as a validated, split snapshot; taken from the cache when no source has changed."""
    report = run_cached(snapshot_data, lambda r: [f"{r.folder}/manifest.json"], recipe, str(base))
    show_data(recipe.name, report)
    return report


def feedback_sources(recipe: Recipe) -> list[Source]:
    """What people gave us, in the form that this recipe learns from: pairs; single answers with a thumb; or corrections
    from review and answers that agents edited before sending."""
    folder = f"workspace:feedback/{recipe.name}"
    if recipe.data.kind == "preference":
        return [Source(name="reviews", path=f"{folder}/{PREFERENCES}", format="jsonl")]
    reviews = THUMBS if recipe.training.objective == "kto" else CORRECTIONS
    return [
        Source(name="reviews", path=f"{folder}/{reviews}", format="jsonl"),
        Source(name="traffic", path=f"{folder}/{ACCEPTED}", format="jsonl"),
    ]


def _verdicts(recipe: str) -> Path:
    """Return the file of reviewers' verdicts on training rows."""
    return wiring.feedback_folder(recipe) / ROW_VERDICTS


def _data_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    recipe: Recipe = parameters["recipe"]
    here = wiring.settings()
    sources = [*recipe.data.sources, *feedback_sources(recipe)]
    templates = recipe.data.augmentation.templates if recipe.data.augmentation else None
    return key(
        "data",
        recipe=recipe.name,
        data=recipe.data,
        model=recipe.model,
        files={s.name: _content(s) for s in sources},
        templates=file_hash(here.root / templates) if templates else "",
        verdicts=file_hash(_verdicts(recipe.name)),
        **_forgotten(here.workspace_path),
        # Rows grow too old without any file changing.
        day=datetime.now(UTC).date() if recipe.data.checks.max_age_days else "",
    )


def _forgotten(workspace: Path) -> dict[str, str]:
    """What may not come in again; nothing where nothing was forgotten, so that keys stay what they were."""
    marks = file_hash(workspace / TOMBSTONES)
    return {"forgotten": marks} if marks else {}


def _content(source: Source) -> str:
    """What a source holds now; a data set on the hub may change at any time and is read anew."""
    here = wiring.settings()
    now = fingerprint(source, root=here.root, workspace=here.workspace_path)
    return now if now or source.path.startswith("workspace:") else secrets.token_hex(8)


@task(
    name="validate data",
    task_run_name="validate {recipe.name}",
    cache_key_fn=_data_key,
    persist_result=True,
    result_serializer="json",
    timeout_seconds=6 * 3600,
)
def snapshot_data(recipe: Recipe, base: str) -> DataReport:
    # Great Expectations takes seconds to load, and a cached version needs none of it.
    from expectations.validating import SuiteValidator
    from tuneloop.example_lengths import ExampleLengths

    here = wiring.settings()
    grown = recipe.data.augmentation
    rewritten = grown is not None and {"paraphrase", "back_translation"} & set(grown.methods)
    return prepare_data(
        recipe,
        root=here.root,
        workspace=here.workspace_path,
        validator=SuiteValidator(),
        counter=ExampleLengths(Path(base), recipe.model.system_prompt),
        feedback=feedback_sources(recipe),
        verdicts=_verdicts(recipe.name),
        embedder=wiring.embedder() if grown or recipe.data.checks.same_meaning_cosine else None,
        rewriter=wiring.rewriter(Path(base)) if rewritten else None,
        executor=wiring.executor(),
    )


def show_data(recipe: str, report: DataReport) -> None:
    """The funnel, and everything else worth a look, as artifacts; examples are masked."""
    manifest = load_manifest(Path(report.folder))
    create_table_artifact(
        key=f"data-{recipe}", table=funnel_rows(manifest), description=f"Data version {report.version}"
    )
    create_markdown_artifact(
        key=f"data-report-{recipe}",
        markdown=f"{artifact_markdown(manifest)}\n\nThe whole report: `{report.page}`",
    )
