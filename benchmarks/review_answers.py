"""Two models of the support desk and their answers to messages that neither has seen, judged by the house rules.

The champion has learned from 96 rows, the candidate from 192, as two rounds of the demo do. What is made is kept in a
folder and not made again: training and answering take some twenty minutes on two cores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.support_desk.judging import judge
from tuneloop.adapters.minilm import MiniLM
from tuneloop.evaluation.generation import generate_answers
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import log_probabilities
from tuneloop.recipes import load_recipe
from tuneloop.records import Message, Record
from tuneloop.review.sampling import differences
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.fine_tuning import fine_tune

ROOT = Path(__file__).parents[1]
DESK = ROOT / "examples" / "support_desk"
ROWS = {"champion": 96, "candidate": 192}
VALIDATION_ROWS, WAITING_ROWS = 24, 300


@dataclass(frozen=True)
class Answered:
    """The waiting messages in order: their right category, what the candidate answers, how sure it is, how far the
    champion's answer differs, and how people would judge the candidate's answer (1 to 5, and the issues)."""

    prompts: list[str]
    categories: list[str]
    answers: list[str]
    sure: list[float]
    differences: list[float]
    ratings: list[int]
    issues: list[list[str]]
    vectors: NDArray[np.float32]


def answered(cache: Path) -> Answered:
    """From the folder, or made now."""
    recipe = load_recipe(ROOT / "deployments" / "recipes" / "support-desk.yaml")
    system = recipe.model.system_prompt
    base = prepare_base(recipe.model, cache / "base")
    rows = sound_rows("train.jsonl")
    trained = max(ROWS.values()) + VALIDATION_ROWS
    waiting = [*rows[trained:], *sound_rows("heldout.jsonl")][:WAITING_ROWS]
    prompts = [row.prompt for row in waiting]
    models, texts = {}, {}
    for name, count in ROWS.items():
        told = fine_tune(
            base=base,
            train_file=_write(cache / f"{name}.parquet", rows[:count]),
            validation_file=_write(cache / "validation.parquet", rows[trained - VALIDATION_ROWS : trained]),
            out=cache / name,
            system_prompt=system,
            max_tokens=recipe.model.max_tokens,
            config=recipe.training,
            data_version=name,
        )
        models[name] = LanguageModel(Path(told.model)), folder_hash(Path(told.model))
        model, model_hash = models[name]
        texts[name] = generate_answers(
            model=model,
            model_hash=model_hash,
            prompts=[[Message("user", prompt)] for prompt in prompts],
            system_prompt=system,
            max_new_tokens=recipe.evaluation.max_new_tokens,
            batch_size=recipe.evaluation.batch_size,
            cache=cache,
        ).answers
    model, model_hash = models["candidate"]
    sure = log_probabilities(
        model, model_hash=model_hash, prompts=prompts, answers=texts["candidate"], system_prompt=system, cache=cache
    )
    judged = [judge(r.prompt, a, r.completion) for r, a in zip(waiting, texts["candidate"], strict=True)]
    return Answered(
        prompts=prompts,
        categories=[json.loads(row.completion)["category"] for row in waiting],
        answers=texts["candidate"],
        sure=sure,
        differences=differences(texts["candidate"], texts["champion"]),
        ratings=[j.rating for j in judged],
        issues=[list(j.issues) for j in judged],
        vectors=MiniLM().embed(prompts),
    )


def sound_rows(name: str) -> list[Record]:
    """Rows of the backend's file whose answers keep the house rules: some are flawed on purpose."""
    found = []
    for number, line in enumerate((DESK / name).read_text("utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            prompt, completion = row["prompt"], row["completion"]
            is_sound = judge(prompt, completion, completion).rating == 5
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if is_sound:
            turns = (Message("user", prompt), Message("assistant", completion))
            found.append(Record(str(row.get("id", number)), turns, name, number))
    return found


def _write(file: Path, rows: Sequence[Record]) -> Path:
    import pandas as pd

    file.parent.mkdir(parents=True, exist_ok=True)
    ids = [row.id for row in rows]
    pd.DataFrame({"id": ids, "cluster": ids, "record": [json.dumps(r.to_json()) for r in rows]}).to_parquet(file)
    return file
