"""Lineage as trees on a terminal. Ids, hashes and counts; never a row's text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from tuneloop.lineage.lineage import DataStep, ModelLineage, ModelName, Reviews, TrainingStep
from tuneloop.lineage.lineage_rows import Lineage
from tuneloop.lineage.tracing import Trace, Traces
from tuneloop.reports.data.tables import counted
from tuneloop.reports.data.terminal import visible

DIGITS = 12
IDS_SHOWN = 10
SPLIT_MEANS = {
    "train": "learned from",
    "validation": "chose the weights",
    "test": "only measured on",
    "private": "measured on last",
}


def print_lineage_tree(found: ModelLineage, console: Console) -> None:
    """From the model back to sources and people; last what is missing."""
    tree = _branch(None, f"model {found.model.model_hash[:DIGITS]}: {_name(found.model)}", style="bold")
    ran = [f"MLflow run {found.mlflow_run_id}"] if found.mlflow_run_id else []
    ran += [f"flow run {found.flow_run_id}"] if found.flow_run_id else []
    _branch(tree, ", ".join([f"started {found.started_at} ({found.trigger})", *ran]))
    _training(tree, found.training)
    if found.data:
        _data(tree, found.data)
    people = _branch(tree, "corrections in the data") if found.reviewers else None
    for person in found.reviewers:
        told = _branch(people, f"reviewer {person.reviewer}, {person.review_set}")
        for split, ids in person.rows.items():
            _branch(told, f"{len(ids)} {split} ({SPLIT_MEANS[split]}): {_some(ids)}")
    if found.reviews:
        _reviews(tree, found.reviews)
    _verdict(tree, found)
    if found.environment:
        _facts(_branch(tree, "environment"), found.environment.items())
    if found.rows:
        rows = _branch(tree, f"{len(found.rows):,} training rows (id, where it was read)")
        for row in found.rows:
            _branch(rows, f"{row.id}  {row.source}:{row.line}{_made_of(row)}")
    _missing(tree, found.missing)
    for fault in found.faults:
        _branch(tree, f"FAULT  {fault}", style="bold red")
    console.print(tree, soft_wrap=True)


def print_traces(found: Traces, kind: str, console: Console) -> None:
    """From a row, a reviewer or a source to the models."""
    tree = _branch(None, f"{kind} {found.looked_for}", style="bold")
    if found.responses:
        _branch(tree, f"{sum(found.responses.values())} responses: {counted(found.responses)}")
    for trace in found.found:
        _trace(tree, trace)
    if not found.found:
        _branch(tree, "no data version holds a correction of theirs")
    _missing(tree, found.missing)
    console.print(tree, soft_wrap=True)


def _trace(tree: Tree, trace: Trace) -> None:
    branch = _branch(tree, f"data version {trace.version}")
    for source in trace.sources:
        _branch(branch, f"source {source.name} ({source.path}): {source.rows:,} rows")
    rows = sorted(trace.rows, key=lambda row: row.split or "")
    for split, same in groupby(rows, key=lambda row: row.split):
        _rows(branch, split, list(same))
    models = _branch(branch, "models trained on this version" if trace.models else "no model was trained on it")
    for model in trace.models:
        _branch(models, _name(model))
    if trace.models and not trace.is_learned:
        _branch(models, "none of them learned from it", style="yellow")


def _rows(branch: Tree, split: str | None, rows: Sequence[Lineage]) -> None:
    said = f"{split} ({SPLIT_MEANS[split]})" if split else "set aside (no model saw it)"
    under = _branch(branch, f"{len(rows)} {said}")
    for row in rows[:IDS_SHOWN]:
        why = f": {row.reason}, {row.meaning}" if row.reason else ""
        instead = f" (see {row.related})" if row.related else ""
        _branch(under, f"{row.id}  {row.source}:{row.line}{_made_of(row)}{_said_by(row)}{why}{instead}")
    if len(rows) > IDS_SHOWN:
        _branch(under, f"and {len(rows) - IDS_SHOWN:,} more: --json lists all")


def _training(tree: Tree, step: TrainingStep) -> None:
    branch = _branch(tree, f"training {step.key}: {step.objective}, {step.steps} steps on {step.rows:,} rows")
    validation = "" if step.eval_loss is None else f", validation {step.eval_loss:.4f}"
    kept = "" if step.kept_step is None else f", weights of step {step.kept_step} kept"
    _branch(branch, f"loss {step.train_loss:.4f}{validation}{kept}")
    adapter = step.adapter_hash[:DIGITS] if step.adapter_hash else "gone"
    start = f"the adapters of {_name(step.start)}" if step.start else "fresh adapters"
    _branch(branch, f"adapter {adapter}: {start} on base {step.base_hash[:DIGITS]}")
    if step.rows_left_out:
        _branch(branch, f"{step.rows_left_out} rows were longer than max_tokens and were left out", style="yellow")
    if step.settings:
        _facts(_branch(branch, "settings"), step.settings.items())
    if step.chosen:
        _facts(_branch(branch, "what each auto became"), step.chosen.items())


def _data(tree: Tree, step: DataStep) -> None:
    branch = _branch(tree, f"data version {step.version}, made {step.created_at}, commit {step.commit or 'unknown'}")
    for source in step.sources:
        known = f"sha256 {source.sha256[:DIGITS]}" if source.sha256 else "no file"
        _branch(branch, f"source {source.name} ({source.path}): {source.rows:,} rows, {known}")
    made = f", {step.rows_synthetic} of them synthetic" if step.rows_synthetic else ""
    _branch(branch, f"{step.rows_in:,} rows in, {step.review_rows} from reviews; {counted(step.rows)}{made}")
    if step.forgotten:
        rows = sum(step.forgotten.values())
        _branch(branch, f"{rows:,} rows forgotten since ({counted(step.forgotten)}): it saw them", style="yellow")
    if step.reasons:
        _branch(branch, f"set aside: {counted(step.reasons)}")
    _branch(branch, f"{step.checks} checks, {len(step.checks_failed)} found something: {_some(step.checks_failed)}")
    if step.ancestors:
        _branch(branch, f"made after {', '.join(step.ancestors)}")


def _reviews(tree: Tree, reviews: Reviews) -> None:
    rated = "" if reviews.mean_rating is None else f", rated {reviews.mean_rating:.2f} on average"
    branch = _branch(tree, f"reviews of its answers: {reviews.responses}, {reviews.corrected} corrected{rated}")
    for person, count in reviews.reviewers.items():
        _branch(branch, f"reviewer {person}: {count}")


def _verdict(tree: Tree, found: ModelLineage) -> None:
    branch = _branch(tree, f"verdict: {found.verdict.decision}")
    for reason in found.verdict.reasons:
        _branch(branch, f"{'✓' if reason.passed else '✗'} {reason.text}")
    if found.champion:
        relation = "it replaced" if found.verdict.decision == "promote" else "in production then"
        _branch(branch, f"{relation}: {_name(found.champion)}")


def _missing(tree: Tree, missing: Sequence[str]) -> None:
    branch = _branch(tree, "missing", style="yellow") if missing else None
    for said in dict.fromkeys(missing):
        _branch(branch, said, style="yellow")


def _name(model: ModelName) -> str:
    version = f", version {model.model_version}" if model.model_version else ", not registered"
    return f"{model.recipe} round {model.round}{version} ({model.decision}), model {model.model_hash[:DIGITS]}"


def _made_of(row: Lineage) -> str:
    return f", made of {row.synthetic.get('of')} by {row.synthetic.get('method')}" if row.synthetic else ""


def _said_by(row: Lineage) -> str:
    """Who, when, in which response, and what became of it."""
    review = row.review
    if "reviewer" not in review:
        return ""
    parts = [f"by {review['reviewer']} in {review.get('review_set', 'a review set')}"]
    parts += [f"on {str(review['reviewed_at'])[:16]}"] if "reviewed_at" in review else []
    parts += [f"response {review['response_id']}"] if "response_id" in review else []
    parts += [f"chosen by {review['adjudicator']}"] if "adjudicator" in review else []
    parts += [row.since] if row.since else []
    return f", {', '.join(parts)}"


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - IDS_SHOWN:,} more" if len(texts) > IDS_SHOWN else ""
    return ", ".join(texts[:IDS_SHOWN]) + more or "none"


def _facts(tree: Tree, facts: Iterable[tuple[str, object]]) -> None:
    for name, value in facts:
        _branch(tree, f"{name}: {value}")


def _branch(tree: Tree | None, text: str, style: str = "") -> Tree:
    """What comes from data is no markup and no control sequence."""
    shown = Text(visible(text), style=style)
    return tree.add(shown) if tree is not None else Tree(shown)
