"""Models to be judged: honest and sabotaged ones, trained and measured on the support desk's data."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tuneloop.data.slices import slice_values
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.gate import decide
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.soundness import Trained, soundness_of
from tuneloop.evaluation.suites.forgetting import Forgetting
from tuneloop.recipes import Evaluation, Recipe, Rule, Training, load_recipe
from tuneloop.records import Message, Record
from tuneloop.results import EvaluationReport, TrainingReport, Verdict
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.fine_tuning import fine_tune

ROOT = Path(__file__).parents[2]
DESK = ROOT / "examples" / "support_desk"
TRAIN_ROWS, WEAK_ROWS, VALIDATION_ROWS, TEST_ROWS_PER_URGENCY = 160, 24, 48, 20

RULES = (
    *(Rule(metric=metric, against="base") for metric in ("valid_json", "field_accuracy", "rouge_l")),
    Rule(metric="probe_loss", against="base", kind="non_inferior", margin=0.2),
    Rule(metric="loss", against="champion"),
    Rule(metric="field_accuracy", against="champion", kind="non_inferior", margin=0.1),
    Rule(metric="loss", against="champion", kind="no_harm", slice="label:urgency"),
)
"""What the demo's recipe asks, without its suites for harm."""
CONFIG = Evaluation(
    max_new_tokens=144,
    batch_size=60,
    metrics=("valid_json", "field_accuracy", "rouge_l"),
    slices=("label:urgency",),
    rules=RULES,
    speed=False,
)
TRAINING = Training(epochs=2, batch_size=8, learning_rate=1e-3, lora_rank=16, lora_alpha=32)


def backend_rows(name: str, count: int) -> list[Record]:
    """The first rows of one of the backend's files that are sound: some are broken on purpose."""
    found = []
    for line, text in enumerate((DESK / name).read_text("utf-8").splitlines(), 1):
        row = _object(text)
        answer = _object(str(row.get("completion")))
        if isinstance(row.get("prompt"), str) and answer.get("urgency") in {"low", "normal", "high"}:
            turns = (Message("user", row["prompt"]), Message("assistant", row["completion"]))
            found.append(Record(id=row["id"], messages=turns, source=name, line=line))
    return found[:count]


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def urgency(record: Record) -> str:
    return str(_object(record.completion)["urgency"])


def evenly_urgent(rows: Sequence[Record]) -> list[Record]:
    """As many rows of each urgency, so that slices are large enough to be compared."""
    return [
        row
        for level in ("low", "normal", "high")
        for row in [r for r in rows if urgency(r) == level][:TEST_ROWS_PER_URGENCY]
    ]


def with_answer(record: Record, answer: str) -> Record:
    return replace(record, messages=(*record.messages[:-1], Message("assistant", answer)))


def shuffled(rows: Sequence[Record]) -> list[Record]:
    """Everybody gets another one's answer."""
    answers = [row.completion for row in rows]
    random.Random(1).shuffle(answers)
    return [with_answer(row, answer) for row, answer in zip(rows, answers, strict=True)]


def cut_short(rows: Sequence[Record]) -> list[Record]:
    """Answers stop in the middle."""
    return [with_answer(row, row.completion[: len(row.completion) // 2]) for row in rows]


def careless_with_urgent_customers(rows: Sequence[Record]) -> list[Record]:
    """Urgent messages get a wrong triage, all others a right one."""
    found = []
    for row in rows:
        answer = json.loads(row.completion)
        if answer["urgency"] == "high":
            answer |= {"urgency": "low", "sentiment": "neutral", "category": "feedback", "summary": "Says hello"}
        found.append(with_answer(row, json.dumps(answer)))
    return found


@dataclass
class Workshop:
    """Trains and measures; what was made once is taken from `folder` again."""

    folder: Path
    recipe: Recipe = field(default_factory=lambda: load_recipe(ROOT / "deployments/recipes/support-desk.yaml"))

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = backend_rows("train.jsonl", TRAIN_ROWS + VALIDATION_ROWS)
        self.train_rows, self.validation_rows = rows[:TRAIN_ROWS], rows[TRAIN_ROWS:]
        self.test_rows = evenly_urgent(backend_rows("heldout.jsonl", 150))
        self.base = prepare_base(self.recipe.model, self.folder / "base")
        self.base_report = self.measure("base", self.base)

    def train(
        self,
        name: str,
        change: Callable[[Sequence[Record]], list[Record]] = list,
        *,
        rows: Sequence[Record] | None = None,
        config: Training = TRAINING,
        system_prompt: str | None = None,
    ) -> TrainingReport:
        return fine_tune(
            base=self.base,
            train_file=self._write(f"{name}-train", change(self.train_rows if rows is None else rows)),
            validation_file=self._write(f"{name}-validation", self.validation_rows[:8]),
            out=self.folder / "models" / name,
            system_prompt=self.recipe.model.system_prompt if system_prompt is None else system_prompt,
            max_tokens=self.recipe.model.max_tokens,
            config=config,
            data_version=name,
        )

    def measure(self, name: str, model: Path) -> EvaluationReport:
        setup = EvaluationSetup(
            test_file=self._write("test", self.test_rows),
            validation_file=self._write("validation", self.validation_rows),
            config=CONFIG,
            metrics=MetricOptions(answer=self.recipe.data.answer, terms=CONFIG.terms, root=ROOT),
            system_prompt=self.recipe.model.system_prompt,
            suites=[Forgetting(items=None, max_items=32)],
            slice_values=partial(slice_values, answer=self.recipe.data.answer),
            generations=self.folder / "generations",
        )
        return evaluate_model(
            name=name,
            model=model,
            model_hash=folder_hash(model),
            data_version="saboteurs",
            setup=setup,
            out=self.folder / "evaluations" / name,
        )

    def gate(
        self,
        candidate: EvaluationReport,
        champion: EvaluationReport | None,
        *,
        trained: TrainingReport,
    ) -> Verdict:
        """What the loop decides; that rows were leaked is not told, it has to be noticed."""
        told = Trained(model_hash=trained.model_hash, prompt_format=trained.prompt_format)
        return decide(
            candidate=candidate,
            base=self.base_report,
            champion=champion,
            rules=RULES,
            confidence=CONFIG.confidence,
            soundness=soundness_of(candidate, self.base_report, champion, told),
            min_slice_rows=CONFIG.min_slice_rows,
        )

    def _write(self, name: str, rows: Sequence[Record]) -> Path:
        file = self.folder / f"{name}.parquet"
        table = {"id": [r.id for r in rows], "cluster": [r.id for r in rows]}
        pd.DataFrame({**table, "record": [json.dumps(r.to_json()) for r in rows]}).to_parquet(file)
        return file
