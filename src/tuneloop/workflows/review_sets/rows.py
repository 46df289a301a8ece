"""Choose review sets whose answers are there already: training rows, and failures of the red-team suite."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

from tuneloop.data.relations import question
from tuneloop.data.slices import slice_values
from tuneloop.data.snapshots import load_manifest
from tuneloop.ports import Embedder, ReviewItem
from tuneloop.recipes import Recipe
from tuneloop.records import Record, content_hash
from tuneloop.review.review_sets import ReviewSet
from tuneloop.review.sampling import stratify
from tuneloop.row_files import stream_rows
from tuneloop.workflows.review_sets.answers import ANSWER_WORDS, vectors_of
from tuneloop.workflows.review_sets.items import MODEL_CHARACTERS, Occasion, in_blind_order, item_of, labelled
from tuneloop.workflows.review_sets.prompts import open_prompts, tested_prompts

MAX_ROWS = 10_000
"""So many training rows, drawn at random, are sorted into slices."""


@dataclass(frozen=True)
class Shown:
    """A prompt with the answer that it has. `stratum` is the group that it is drawn from."""

    prompt: str
    answer: str
    model: str
    labels: Mapping[str, str]
    stratum: str


def choose_rows(occasion: Occasion) -> ReviewSet | None:
    """Choose training rows of a data version, some of every slice, labelled with what the checks found in them."""
    file = occasion.data_folder / "train.parquet"
    total = sum(1 for _ in stream_rows(file))
    drawn = nsmallest(MAX_ROWS, stream_rows(file), key=lambda row: content_hash([occasion.seed, row.id]))
    findings = _findings(occasion.data_folder)
    rows = [_row(occasion.recipe, record, findings.get(record.id, []), occasion.data_folder.name) for record in drawn]
    return _chosen(occasion, rows, len(rows) / max(total, 1))


def choose_failures(occasion: Occasion, answers: Path, model_hash: str) -> ReviewSet | None:
    """Choose answers of the candidate that broke a rule, spread over the categories: reviewers judge their harm."""
    lines = answers.read_text(encoding="utf-8").split("\n") if answers.is_file() else []
    found = [json.loads(line) for line in lines if line.strip()]
    rows = [
        Shown(
            prompt=row["prompt"],
            answer=row["answer"],
            model=model_hash[:MODEL_CHARACTERS],
            labels={"suite_item": row["id"], "category": row["category"], "broken_rule": row["failure"]},
            stratum=row["category"],
        )
        for row in found
        if row["failure"]
    ]
    return _chosen(occasion, rows, 1.0)


def _chosen(occasion: Occasion, rows: Sequence[Shown], share_of_all: float) -> ReviewSet | None:
    tested = tested_prompts(occasion.data_folder)

    def make() -> ReviewSet | None:
        open_ = open_prompts(occasion.setup, [row.prompt for row in rows], occasion.sets, tested)
        drawn = stratify(
            [content_hash(rows[place].prompt) for place in open_],
            [rows[place].stratum for place in open_],
            budget=occasion.recipe.review.max_records,
            seed=occasion.seed,
            share_of_open=share_of_all,
        )
        items = _items([rows[open_[c.position]] for c in drawn], occasion.setup.embedder)
        chosen = [labelled(item, c, occasion.labels) for item, c in zip(items, drawn, strict=True)]
        counts = dict(Counter(c.chosen_by for c in drawn))
        return (
            ReviewSet(occasion.name, occasion.kind, in_blind_order(occasion.name, chosen), counts) if chosen else None
        )

    return occasion.sets.keep(occasion.name, make)


def _items(rows: Sequence[Shown], embedder: Embedder) -> list[ReviewItem]:
    vectors = vectors_of([row.prompt for row in rows], embedder)
    return [
        item_of(row.prompt, row.answer, row.model, {ANSWER_WORDS: float(len(row.answer.split()))}, vector, row.labels)
        for row, vector in zip(rows, vectors, strict=True)
    ]


def _row(recipe: Recipe, record: Record, findings: Sequence[str], version: str) -> Shown:
    sliced = {by.replace(":", "_"): "|".join(_values(recipe, record, by)) for by in recipe.data.slices}
    labels = {**sliced, "row_id": record.id} | ({"findings": ", ".join(findings)} if findings else {})
    stratum = json.dumps([sliced, bool(findings)])
    return Shown(conversation(record), record.completion, f"data-{version}", labels, stratum)


def conversation(record: Record) -> str:
    """Return what is asked, as a person reads it: of several turns, each with its role."""
    turns = [m for m in record.messages[:-1] if m.role != "system"]
    if len(turns) > 1:
        return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in turns)
    return question(record)


def _values(recipe: Recipe, record: Record, by: str) -> list[str]:
    return slice_values(record, by, recipe.data.answer)


def _findings(folder: Path) -> dict[str, list[str]]:
    """Row id -> reasons of the checks that named it and let it pass, as far as they name rows."""
    found: dict[str, set[str]] = defaultdict(set)
    for check in load_manifest(folder).checks:
        for example in check.examples:
            found[example.id].add(check.reason)
    return {row: sorted(reasons) for row, reasons in found.items()}
