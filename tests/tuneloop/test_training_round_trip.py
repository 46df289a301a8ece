"""From answers to preferences to one model, on a model so small that it takes seconds."""

from __future__ import annotations

import json
import math
from pathlib import Path

from tests.tiny_models import make_tiny_model
from tuneloop.chat import load_tokenizer, stop_ids
from tuneloop.recipes import Training
from tuneloop.records import Message, Record
from tuneloop.results import TrainingReport

ANSWERS = Training(
    epochs=4, batch_size=4, learning_rate=1e-2, lora_rank=4, lora_alpha=8, save_every_steps=50, evaluations_per_epoch=1
)
PREFERENCES = ANSWERS.model_copy(update={"objective": "dpo", "learning_rate": 3e-3, "start_from": "champion"})
TOPICS = ("lamp", "kettle", "mower", "quilt", "chair", "table", "clock", "spoon")


def write_rows(path: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet

    rows = [
        Record(
            f"r{line}",
            (Message("user", f"The {topic} is late."), Message("assistant", f"The {topic} comes tomorrow.")),
            "tests",
            line,
            rejected=f"No idea where the {topic} is.",
        )
        for line, topic in enumerate(TOPICS, 1)
    ]
    pyarrow.parquet.write_table(pa.table({"record": [json.dumps(row.to_json()) for row in rows]}), path)
    return path


def train(folder: Path, config: Training, start: Path | None = None) -> TrainingReport:
    from tuneloop.training import fine_tune

    rows = folder / "rows.parquet"
    return fine_tune(
        base=folder / "base", train_file=rows, validation_file=rows, out=folder / config.objective, system_prompt="",
        max_tokens=200, config=config, data_version="v1", start=start, threads=1,
    )  # fmt: skip


def test_a_model_learns_answers_then_preferences_and_is_merged(tmp_path: Path) -> None:
    """Adapters of the first run are where the second starts; what is merged answers as they do, and stops."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    make_tiny_model(tmp_path / "base", layers=1, hidden=32)
    write_rows(tmp_path / "rows.parquet")
    answers = train(tmp_path, ANSWERS)
    preferences = train(tmp_path, PREFERENCES, start=Path(answers.adapter))

    assert answers.eval_loss is not None
    assert answers.losses[0].train_loss is not None
    assert answers.eval_loss < answers.losses[0].train_loss
    assert (preferences.objective, preferences.base_hash) == ("dpo", answers.base_hash)
    assert preferences.start != answers.start == "base"
    assert preferences.losses[0].train_loss is not None
    assert math.isclose(preferences.losses[0].train_loss, math.log(2), rel_tol=0.01)  # no margin yet, but for bf16
    assert preferences.eval_loss is not None
    assert preferences.eval_loss < math.log(2)
    assert preferences.measures["eval_accuracy"] > 0.5
    for report in (answers, preferences):
        assert report.merge_max_logit_difference is not None
        assert report.merge_max_logit_difference < 0.05
    assert AutoModelForCausalLM.from_pretrained(preferences.model).num_parameters() == preferences.total_parameters
    ends = GenerationConfig.from_pretrained(preferences.model).eos_token_id
    assert ([ends] if isinstance(ends, int) else ends) == stop_ids(load_tokenizer(Path(preferences.model)))
