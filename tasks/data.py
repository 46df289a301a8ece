"""Validation and snapshot of a recipe's data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.context import TaskRunContext

from expectations.data_gate import prepare_data
from tasks import wiring
from tasks.caching import file_hash, key, run_cached
from tuneloop.data.reading import source_path
from tuneloop.recipes import Recipe, Source
from tuneloop.results import DataReport


def data_version(recipe: Recipe, base: Path) -> DataReport:
    """The recipe's data as a validated, split snapshot; taken from the cache when no source has changed."""
    report = run_cached(snapshot_data, lambda r: [f"{r.folder}/manifest.json"], recipe, str(base))
    show_data(recipe.name, report)
    return report


def feedback_sources(recipe: str) -> list[Source]:
    """What people gave us: corrections from review, and answers that agents edited before sending."""
    return [
        Source(name="reviews", path=f"workspace:feedback/{recipe}/corrections.jsonl", format="jsonl"),
        Source(name="traffic", path=f"workspace:feedback/{recipe}/accepted.jsonl", format="jsonl"),
    ]


def _data_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    recipe: Recipe = parameters["recipe"]
    here = wiring.settings()
    sources = [*recipe.data.sources, *feedback_sources(recipe.name)]
    files = {s.name: file_hash(source_path(s, root=here.root, workspace=here.workspace_path)) for s in sources}
    return key("data", recipe=recipe.name, data=recipe.data, model=recipe.model, files=files)


@task(
    name="validate data",
    task_run_name="validate {recipe.name}",
    cache_key_fn=_data_key,
    persist_result=True,
    result_serializer="json",
    timeout_seconds=3600,
)
def snapshot_data(recipe: Recipe, base: str) -> DataReport:
    from tuneloop.chat import count_tokens, load_tokenizer

    here = wiring.settings()
    tokenizer = load_tokenizer(Path(base))
    return prepare_data(
        recipe,
        root=here.root,
        workspace=here.workspace_path,
        count_tokens=lambda record: count_tokens(tokenizer, record, recipe.model.system_prompt),
        feedback=feedback_sources(recipe.name),
    )


def show_data(recipe: str, report: DataReport) -> None:
    """The funnel and the reasons, as artifacts; counts only."""
    create_table_artifact(
        key=f"data-{recipe}",
        table=[
            {"step": "rows in", "rows": report.rows_in},
            {"step": "quarantined", "rows": report.rows_quarantined},
            {"step": "unused", "rows": report.rows_unused},
            {"step": "train", "rows": report.rows_train},
            {"step": "validation", "rows": report.rows_validation},
            {"step": "test", "rows": report.rows_test},
        ],
        description=f"Data version {report.version}",
    )
    reasons = "\n".join(f"| {reason} | {count} |" for reason, count in sorted(report.reasons.items()))
    create_markdown_artifact(
        key=f"quarantine-{recipe}",
        markdown=f"## Quarantined rows of data version `{report.version}`\n\n| reason | rows |\n|---|---:|\n{reasons}",
    )
