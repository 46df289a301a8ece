"""Nobody gets past the gate: real models, trained and damaged in the ways that happen, and honest ones beside them.

Takes about half an hour on two cores. TUNELOOP_SABOTEURS names a folder that keeps the models between runs.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.saboteurs.workshop import (
    TRAINING,
    WEAK_ROWS,
    Workshop,
    careless_with_urgent_customers,
    cut_short,
    shuffled,
)
from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import EvaluationReport, TrainingReport, Verdict

pytestmark = pytest.mark.slow

Model = tuple[TrainingReport, EvaluationReport]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    kept = os.environ.get("TUNELOOP_SABOTEURS")
    return Workshop(Path(kept).resolve() if kept else tmp_path_factory.mktemp("saboteurs"))


@pytest.fixture(scope="module")
def honest(workshop: Workshop) -> Model:
    trained = workshop.train("honest")
    return trained, workshop.measure("honest", Path(trained.model))


def judged(workshop: Workshop, trained: TrainingReport, champion: Model | None, model: Path | None = None) -> Verdict:
    """`model` is measured in place of what was trained."""
    name = (model or Path(trained.model).parent).name
    report = workshop.measure(name, model or Path(trained.model))
    return workshop.gate(report, champion[1] if champion else None, trained=trained)


def broken(verdict: Verdict) -> set[str]:
    """Rules that do not hold, by metric (and slice), and checks by name."""
    return {f"{r.metric} {r.slice}" if r.slice else r.metric or r.rule for r in verdict.reasons if not r.passed}


def test_an_honest_model_is_promoted_over_the_base(workshop: Workshop, honest: Model) -> None:
    verdict = workshop.gate(honest[1], None, trained=honest[0])
    assert verdict.decision == "promote", [r.text for r in verdict.reasons]


def test_an_honest_model_is_promoted_over_one_that_learned_from_fewer_rows(workshop: Workshop, honest: Model) -> None:
    weak = workshop.train("weak", rows=workshop.train_rows[:WEAK_ROWS])
    champion = workshop.measure("weak", Path(weak.model))
    verdict = workshop.gate(honest[1], champion, trained=honest[0])
    assert verdict.decision == "promote", [r.text for r in verdict.reasons]


def test_answers_of_other_rows(workshop: Workshop, honest: Model) -> None:
    verdict = judged(workshop, workshop.train("shuffled", shuffled), honest)
    assert verdict.decision == "reject"
    assert "loss" in broken(verdict)


def test_trained_on_the_test_rows(workshop: Workshop, honest: Model) -> None:
    leaky = workshop.train("leaky", rows=[*workshop.train_rows[:100], *workshop.test_rows])
    verdict = judged(workshop, leaky, honest)
    assert verdict.decision == "needs_review"
    assert [r.rule for r in verdict.reasons if not r.passed] == ["unseen"]


def test_the_system_prompt_dropped_in_training(workshop: Workshop, honest: Model) -> None:
    config = TRAINING.model_copy(update={"epochs": 1})
    forgot = workshop.train("unprompted", rows=workshop.train_rows[:WEAK_ROWS], config=config, system_prompt="")
    verdict = judged(workshop, forgot, honest)
    assert verdict.decision == "reject"
    assert [r.rule for r in verdict.reasons if not r.passed] == ["prompt format"]


def test_answers_cut_short(workshop: Workshop, honest: Model) -> None:
    verdict = judged(workshop, workshop.train("short", cut_short), honest)
    assert verdict.decision == "reject"
    assert {"valid_json", "field_accuracy"} <= broken(verdict)


def overdose(times: float) -> Training:
    return TRAINING.model_copy(update={"learning_rate": times * TRAINING.learning_rate, "keep": "last"})


def test_a_learning_rate_thirty_times_too_high_does_not_get_to_the_gate(workshop: Workshop) -> None:
    with pytest.raises(TrainingError, match="the loss climbs"):
        workshop.train("overdose", config=overdose(30))


def test_a_learning_rate_that_training_survives_and_general_skills_do_not(workshop: Workshop, honest: Model) -> None:
    verdict = judged(workshop, workshop.train("forgetful", config=overdose(5)), honest)
    assert verdict.decision == "reject"
    assert "probe_loss" in broken(verdict)


def test_good_on_the_whole_and_bad_to_some(workshop: Workshop, honest: Model) -> None:
    verdict = judged(workshop, workshop.train("careless", careless_with_urgent_customers), honest)
    assert verdict.decision == "reject"
    slices = {rule for rule in broken(verdict) if "label:" in rule}
    assert slices == {"loss label:urgency=high"}


def damaged_copy(model: Path, target: Path) -> Path:
    """One of the merged model's layers is scaled, as a merge with the wrong factor would do."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(model, target, dirs_exist_ok=True)
    weights = load_file(target / "model.safetensors")
    name = next(n for n in weights if n.endswith("layers.10.mlp.down_proj.weight"))
    save_file({**weights, name: weights[name] * 3}, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_a_merge_that_was_damaged_after_training(workshop: Workshop, honest: Model) -> None:
    trained, _ = honest
    damaged = damaged_copy(Path(trained.model), workshop.folder / "damaged")
    verdict = judged(workshop, trained, honest, damaged)
    assert verdict.decision == "reject"
    assert [r.rule for r in verdict.reasons if not r.passed] == ["artefact"]


def test_a_merge_that_was_damaged_before_its_hash_was_taken(workshop: Workshop, honest: Model) -> None:
    trained, _ = honest
    damaged = damaged_copy(Path(trained.model), workshop.folder / "damaged")
    report = workshop.measure("damaged", damaged)
    claimed = trained.model_copy(update={"model_hash": report.model_hash})
    verdict = workshop.gate(report, honest[1], trained=claimed)
    assert verdict.decision == "reject"
    assert "loss" in broken(verdict)


def test_a_copy_of_the_champion_is_no_improvement(workshop: Workshop, honest: Model) -> None:
    trained, champion = honest
    copy = workshop.folder / "copy"
    shutil.copytree(trained.model, copy, dirs_exist_ok=True)
    same = workshop.measure("same", copy)
    assert same.model_hash == champion.model_hash
    assert workshop.gate(same, champion, trained=trained).decision == "reject"
    (copy / "generation_config.json").write_text((copy / "generation_config.json").read_text() + "\n")
    renamed = workshop.measure("copy", copy)
    assert renamed.model_hash != champion.model_hash
    verdict = workshop.gate(renamed, champion, trained=trained.model_copy(update={"model_hash": renamed.model_hash}))
    assert verdict.decision == "reject"
    assert broken(verdict) == {"loss"}
