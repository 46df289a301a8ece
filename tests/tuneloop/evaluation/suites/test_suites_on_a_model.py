"""The three suites on a tiny model with random weights: it fails nearly everything, and is measured all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.bias_pairs import NOTABLE, BiasPairs
from tuneloop.evaluation.suites.forgetting import Forgetting
from tuneloop.evaluation.suites.red_team import RedTeam
from tuneloop.evaluation.suites.suite import Suite

pytestmark = pytest.mark.integration

SUITES: list[Suite] = [
    Forgetting(max_items=6, max_new_tokens=4),
    RedTeam(max_items=8, max_new_tokens=4),
    BiasPairs(max_items=4, max_new_tokens=4, labels=("urgency",)),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


def subject(folder: Path, cache: Path, name: str = "tiny") -> Subject:
    return Subject(LanguageModel(folder, threads=1), name, "Answer with JSON.", 4, cache)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_suite_gives_finite_scores_and_a_reason_per_failure(suite: Suite, folder: Path, tmp_path: Path) -> None:
    scores = suite.measure(subject(folder, tmp_path))
    assert list(scores.frame.columns) == ["id", "cluster", "category", *scores.metrics]
    assert scores.frame[list(scores.metrics)].notna().all(axis=None)
    assert scores.frame["id"].is_unique
    assert [answer["id"] for answer in scores.answers] == scores.frame["id"].tolist()
    main = scores.frame[scores.metrics[0]]
    is_fine = main < NOTABLE if scores.metrics[0] in scores.lower_is_better else main == 1
    assert [answer["failure"] is None for answer in scores.answers] == is_fine.tolist()


def test_probe_losses_of_an_untrained_model_are_those_of_guessing(folder: Path, tmp_path: Path) -> None:
    losses = Forgetting(max_items=6, max_new_tokens=4).measure(subject(folder, tmp_path)).frame["probe_loss"]
    assert losses.between(4, 8).all()  # ln(320) = 5.8


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_a_second_measurement_takes_its_answers_from_the_cache(suite: Suite, folder: Path, tmp_path: Path) -> None:
    first = suite.measure(subject(folder, tmp_path))
    again = suite.measure(subject(folder, tmp_path))
    assert again.answers == first.answers
    assert again.frame.equals(first.frame)
