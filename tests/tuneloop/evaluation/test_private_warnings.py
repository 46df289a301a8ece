from __future__ import annotations

import math

import numpy as np
import pytest

from tests.tuneloop.evaluation.private_rows import a_report
from tuneloop.evaluation.private_uses import Looks
from tuneloop.evaluation.private_warnings import MANY_MODELS, optimism, private_rules, warnings_of
from tuneloop.recipes import Rule

ONE = Looks(models=("m1",), compared=1)


def some(models: int, **more: int) -> Looks:
    return Looks(models=tuple(f"m{i}" for i in range(models)), **{"compared": 1, **more})


def test_a_set_that_was_used_as_it_should_be_gives_no_warning() -> None:
    assert warnings_of(Looks(), ()) == []
    assert warnings_of(ONE, (Rule(metric="rouge_l"),)) == []
    assert warnings_of(some(MANY_MODELS - 1), ()) == []


def test_a_rule_of_the_gate_on_a_private_metric_is_warned_of_even_before_a_score() -> None:
    rules = (Rule(metric="private_rouge_l"), Rule(metric="private_rouge_l", against="champion"), Rule(metric="loss"))

    assert private_rules(rules) == ["private_rouge_l"]
    (text,) = warnings_of(Looks(), rules)
    assert "private_rouge_l" in text
    assert "evaluation.rules" in text


@pytest.mark.parametrize(
    ("looks", "says"),
    [
        (some(2, compared=2), "2 candidates were scored on these rows before one of them was promoted"),
        (some(2, choices=1), "to choose a model, not to report on one (1 so far)"),
        (some(MANY_MODELS), "10 different models"),
    ],
)
def test_each_misuse_is_named_and_its_size_is_told(looks: Looks, says: str) -> None:
    reason, size = warnings_of(looks, (), {"rouge_l": 0.0214})

    assert says in reason
    assert f"{math.sqrt(2 * math.log(len(looks.models))):.1f} standard errors (rouge_l 0.021)" in size
    assert "no longer an unbiased estimate" in size


def test_a_single_model_is_not_too_good_by_being_chosen() -> None:
    assert optimism(a_report(0.4, 0.6), ONE) == {"rouge_l": 0.0}


def test_the_bound_is_in_the_metrics_own_unit() -> None:
    half_width = 1.959964 * 0.05

    bounds = optimism(a_report(0.5 - half_width, 0.5 + half_width), some(8))

    assert bounds["rouge_l"] == pytest.approx(0.05 * math.sqrt(2 * math.log(8)), rel=1e-5)


@pytest.mark.parametrize("models", [2, 5, 10, 50])
@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_the_best_of_equal_models_never_gains_more_than_the_bound(models: int, shared: float) -> None:
    """Scores of equally good models, each with standard error 1, `shared` being their correlation."""
    chance = np.random.default_rng(models)
    common = chance.normal(size=(20_000, 1)) * math.sqrt(shared)
    scores = common + chance.normal(size=(20_000, models)) * math.sqrt(1 - shared)

    gained = float(scores.max(axis=1).mean())

    bound = optimism(a_report(-1.959964, 1.959964), some(models))["rouge_l"]
    assert gained < bound
    assert shared or gained > 0.4 * bound
