"""Each objective learns, by our step as by TRL's, and is held to where it started."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tuneloop.errors import TrainingError
from tuneloop.records import Record
from tuneloop.training.loading import load_base, load_nf4
from tuneloop.training.lora import save_adapter
from tuneloop.training.preferences import measures

pytestmark = pytest.mark.integration

Objective = Literal["dpo", "kto", "reward"]
Run = Callable[..., Any]


@pytest.fixture(scope="module", params=["dpo", "kto", "reward"])
def objective(request: pytest.FixtureRequest) -> Objective:
    chosen: Objective = request.param
    return chosen


@pytest.fixture(scope="module")
def trained(objective: Objective, run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One trainer of each step, after the same six batches."""
    trainers = {step: run(objective, tmp_path_factory.mktemp(step), step) for step in ("ours", "trl")}
    for trainer in trainers.values():
        trainer.train()
        trainer.evaluate()
    return trainers


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def adapter(trainer: Any) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in trainer.model.named_parameters() if p.requires_grad}


def test_better_answers_come_to_have_the_higher_reward(trained: dict[str, Any], objective: Objective) -> None:
    for trainer in trained.values():
        seen = losses(trainer)
        assert len(seen) == 6
        assert seen[-1] < 0.7 * seen[0]
        measured = measures(trainer.state.log_history)
        assert measured["eval_margin"] > 0.5
        if objective != "kto":
            assert measured["eval_accuracy"] == 1.0


def test_our_step_has_the_losses_and_measures_of_trl(trained: dict[str, Any]) -> None:
    ours, trl = trained["ours"], trained["trl"]
    assert losses(ours) == pytest.approx(losses(trl), rel=0.03, abs=0.003)
    assert measures(ours.state.log_history) == pytest.approx(measures(trl.state.log_history), rel=0.03)
    assert ours.state.log_history[-1]["eval_loss"] == pytest.approx(trl.state.log_history[-1]["eval_loss"], rel=0.05)


def test_adapters_are_float32_and_trl_s_copy_of_the_start_is_gone(trained: dict[str, Any]) -> None:
    for trainer in trained.values():
        assert {p.dtype for p in trainer.model.parameters() if p.requires_grad} == {torch.float32}
        assert list(trainer.model.peft_config) == ["default"]


def test_saved_adapters_merge_into_a_model_that_judges_the_same(
    trained: dict[str, Any], objective: Objective, tiny: Path, tmp_path: Path
) -> None:
    from peft import PeftModel

    model, scores = trained["ours"].model, objective == "reward"
    save_adapter(model, {}, tmp_path)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".bin", ".pt"}]
    base, _ = load_nf4(tiny, attention="sdpa", device="cpu", dequantise=True, scores=scores)
    merged: Any = PeftModel.from_pretrained(base, str(tmp_path)).float().merge_and_unload()
    row = trained["ours"].train_dataset[0]
    ids = torch.tensor([row["chosen_ids"] if scores else row["prompt_ids"]])
    with torch.no_grad():
        before, after = model(input_ids=ids).logits.float(), merged(input_ids=ids).logits
    torch.testing.assert_close(after, before, rtol=0.05, atol=0.15)


def test_a_reward_model_scores_better_answers_higher_after_it_is_loaded_again(
    run: Run, tiny: Path, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    trainer = run("reward", tmp_path / "run", method="lora")
    trainer.train()
    trainer.model.save_pretrained(tmp_path / "adapter")
    base = load_base(tiny, dtype=torch.bfloat16, attention="sdpa", device="cpu", scores=True)
    whole: Any = PeftModel.from_pretrained(base, str(tmp_path / "adapter"))
    whole.merge_and_unload().save_pretrained(tmp_path / "merged")
    merged = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", dtype=torch.float32)
    with torch.no_grad():
        for row in trainer.eval_dataset:
            chosen, rejected = (merged(input_ids=torch.tensor([row[k]])).logits for k in ("chosen_ids", "rejected_ids"))
            assert chosen.shape == (1, 1)
            assert chosen > rejected


@pytest.mark.parametrize(("objective", "step"), [("dpo", "ours"), ("dpo", "trl"), ("kto", "ours"), ("reward", "ours")])
def test_a_run_that_was_cut_goes_on_to_exactly_the_same_weights(
    run: Run, tmp_path: Path, objective: Objective, step: str
) -> None:
    whole = run(objective, tmp_path / "whole", step)
    whole.train()
    cut = tmp_path / "cut" / "checkpoints"
    shutil.copytree(tmp_path / "whole" / "checkpoints", cut)
    shutil.rmtree(cut / "checkpoint-6")
    resumed = run(objective, tmp_path / "cut", step)
    resumed.train(resume_from_checkpoint=str(cut / "checkpoint-3"))
    ours, theirs = adapter(resumed), adapter(whole)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert losses(resumed) == losses(whole)


@pytest.mark.parametrize("step", ["ours", "trl"])
def test_the_reference_is_the_adapter_that_was_gone_on_from(run: Run, tmp_path: Path, step: str) -> None:
    first = run("dpo", tmp_path / "first", step)
    first.train()
    first.model.save_pretrained(tmp_path / "adapter")
    second = run("dpo", tmp_path / "second", step, start=tmp_path / "adapter")
    from_base = run("dpo", tmp_path / "third", step)
    assert second.train_dataset["ref_chosen_logps"][:] != from_base.train_dataset["ref_chosen_logps"][:]
    second.train()
    assert losses(second)[0] == pytest.approx(math.log(2), abs=0.02)


def test_the_reference_that_was_kept_is_taken(run: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    first = run("dpo", tmp_path)
    (path,) = (tmp_path / "checkpoints").glob("reference-train.safetensors")
    kept = load_file(path)
    assert kept["ref_chosen_logps"].tolist() == first.train_dataset["ref_chosen_logps"][:]
    save_file({name: values - 1 for name, values in kept.items()}, path)
    again = run("dpo", tmp_path)
    assert again.train_dataset["ref_chosen_logps"][:] == (kept["ref_chosen_logps"] - 1).tolist()


def test_good_answers_alone_are_no_preference(run: Run, pairs: list[Record], tmp_path: Path) -> None:
    thumbs = [replace(row, rejected=None, extra={"label": True}) for row in pairs]
    with pytest.raises(TrainingError, match="good and bad answers"):
        run("kto", tmp_path, rows=thumbs)


def test_the_rarer_kind_of_thumb_weighs_more(run: Run, pairs: list[Record], tmp_path: Path) -> None:
    thumbs = [replace(row, rejected=None, extra={"label": n % 4 != 0}) for n, row in enumerate(pairs)]
    arguments = run("kto", tmp_path, rows=thumbs).args
    assert (arguments.desirable_weight, arguments.undesirable_weight) == (1.0, 3.0)
