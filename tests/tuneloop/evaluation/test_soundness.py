from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tuneloop.evaluation.score_tables import report
from tuneloop.evaluation.soundness import Trained, soundness_of, unseen
from tuneloop.results import EvaluationReport

RANDOM = np.random.default_rng(5)
TEST, VALIDATION = (RANDOM.normal(2.0, 0.4, 48) for _ in range(2))


def losses(folder: Path, name: str, test_gain: float, validation_gain: float) -> EvaluationReport:
    """Losses that fell by so much from those of the base, apart from a little luck."""
    luck = np.random.default_rng(len(name)).normal(0, 0.1, 48)
    return report(
        folder, name, {"loss": (TEST - test_gain + luck).tolist()}, validation=(VALIDATION - validation_gain).tolist()
    )


def failed(candidate: EvaluationReport, base: EvaluationReport, trained: Trained) -> list[str]:
    return [reason.rule for reason in soundness_of(candidate, base, None, trained) if not reason.passed]


@pytest.mark.parametrize(
    ("test_gain", "validation_gain", "is_unseen"),
    [
        (0.6, 0.6, True),
        (0.3, 0.6, True),  # validation rows are like the training rows, the held-out ones are not
        (0.65, 0.6, True),
        (1.2, 0.6, False),
    ],
)
def test_a_model_that_knows_the_test_rows_by_heart_is_told_from_one_that_learned(
    tmp_path: Path,
    test_gain: float,
    validation_gain: float,
    is_unseen: bool,  # noqa: FBT001
) -> None:
    base, candidate = losses(tmp_path, "base", 0, 0), losses(tmp_path, "candidate", test_gain, validation_gain)
    found = unseen(candidate, base, None)
    assert found.passed is is_unseen
    assert f"of validation rows by {validation_gain:.3f}" in found.text


def test_honest_models_are_rarely_taken_for_cheats(tmp_path: Path) -> None:
    caught = 0
    for trial in range(60):
        random = np.random.default_rng(trial)
        before = [random.normal(2.0, 0.4, 30) for _ in range(2)]
        after = [losses - random.normal(0.6, 0.3, 30) for losses in before]
        base, candidate = (
            report(tmp_path, f"{name}{trial}", {"loss": test.tolist()}, validation=validation.tolist())
            for name, (test, validation) in (("b", before), ("c", after))
        )
        caught += not unseen(candidate, base, None).passed
    assert caught <= 1


def test_without_validation_rows_it_is_said_that_nothing_was_checked(tmp_path: Path) -> None:
    base, candidate = (report(tmp_path, name, {"loss": TEST.tolist()}) for name in "bc")
    found = unseen(candidate, base, None)
    assert found.passed
    assert found.text.startswith("not checked")


def test_a_sound_evaluation_passes_every_check(tmp_path: Path) -> None:
    base = losses(tmp_path, "base", 0, 0)
    candidate = losses(tmp_path, "c", 0.5, 0.5).model_copy(update={"prompt_format": "f"})
    assert failed(candidate, base, Trained(model_hash="c", prompt_format="f")) == []


def test_what_was_measured_must_be_what_would_be_served(tmp_path: Path) -> None:
    base, candidate = losses(tmp_path, "base", 0, 0), losses(tmp_path, "c", 0.5, 0.5)
    assert failed(candidate, base, Trained(model_hash="another", prompt_format="")) == ["artefact"]


def test_a_model_asked_in_another_format_than_it_was_trained_with_is_refused(tmp_path: Path) -> None:
    base = losses(tmp_path, "base", 0, 0)
    candidate = losses(tmp_path, "c", 0.5, 0.5).model_copy(update={"prompt_format": "with system prompt"})
    assert failed(candidate, base, Trained(model_hash="c", prompt_format="without")) == ["prompt format"]


def test_rows_that_training_held_are_named(tmp_path: Path) -> None:
    base, candidate = losses(tmp_path, "base", 0, 0), losses(tmp_path, "c", 0.5, 0.5)
    trained = Trained(model_hash="c", prompt_format="", leaked=("row-7",))
    assert failed(candidate, base, trained) == ["leaks"]
    assert any("row-7" in reason.text for reason in soundness_of(candidate, base, None, trained))


def test_models_measured_on_different_rows_are_not_compared(tmp_path: Path) -> None:
    base, candidate = report(tmp_path, "b", {"loss": [1.0] * 9}), report(tmp_path, "c", {"loss": [1.0] * 8})
    assert "same rows" in failed(candidate, base, Trained(model_hash="c", prompt_format=""))


def test_the_champion_is_a_closer_yardstick_than_the_base(tmp_path: Path) -> None:
    """The held-out rows are harder than the pool's: against the base, that hides that they were learned by heart."""
    base, champion = losses(tmp_path, "base", 0, 0), losses(tmp_path, "champion", 0.4, 0.6)
    leaky = losses(tmp_path, "leaky-model", 0.62, 0.6)
    assert unseen(leaky, base, None).passed
    found = unseen(leaky, base, champion)
    assert not found.passed
    assert found.is_open, "a person decides: new rows that only the test set is about look the same"
