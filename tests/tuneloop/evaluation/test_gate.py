from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tuneloop.evaluation.score_tables import report
from tuneloop.evaluation.gate import decide
from tuneloop.evaluation.intervals import difference
from tuneloop.recipes import Rule

BETTER = Rule(metric="rouge_l")
RANDOM = np.random.default_rng(11)
LOW = RANDOM.uniform(0.1, 0.4, 40).tolist()
HIGH = [score + 0.3 for score in LOW]


def test_a_clear_improvement_is_promoted_with_its_numbers(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    verdict = decide(candidate=candidate, base=base, champion=None, rules=[BETTER], confidence=0.95)
    assert verdict.decision == "promote"
    (reason,) = verdict.reasons
    assert reason.rule == "rouge_l better than base"
    assert "a change of +0.300; at least +0.300 with 97.5% confidence, needed above +0.000 (40 rows)" in reason.text


def test_a_lower_loss_is_an_improvement_and_a_higher_one_is_not(tmp_path: Path) -> None:
    low, high = report(tmp_path, "low", {"loss": LOW}), report(tmp_path, "high", {"loss": HIGH})
    rules = [Rule(metric="loss")]
    better = decide(candidate=low, base=high, champion=None, rules=rules, confidence=0.95)
    worse = decide(candidate=high, base=low, champion=None, rules=rules, confidence=0.95)
    assert (better.decision, worse.decision) == ("promote", "reject")
    assert "at most -0.300" in better.reasons[0].text


@pytest.mark.parametrize(("drop", "decision"), [(0.02, "promote"), (0.2, "reject")])
def test_a_champion_may_be_missed_by_the_margin_only(tmp_path: Path, drop: float, decision: str) -> None:
    noise = np.random.default_rng(3).normal(0, 0.02, 40)
    candidate = report(tmp_path, "c", {"rouge_l": (np.array(HIGH) - drop + noise).tolist()})
    champion, base = report(tmp_path, "champion", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    rule = Rule(metric="rouge_l", against="champion", kind="non_inferior", margin=0.05)
    verdict = decide(candidate=candidate, base=base, champion=champion, rules=[rule], confidence=0.95)
    assert verdict.decision == decision
    assert verdict.champion_hash == "champion"


@pytest.mark.parametrize(("right", "decision"), [(40, "promote"), (31, "reject")])
def test_an_absolute_rule_holds_the_bound_and_not_the_mean_to_the_minimum(
    tmp_path: Path, right: int, decision: str
) -> None:
    candidate = report(tmp_path, "c", {"valid_json": [1.0] * right + [0.0] * (40 - right)})
    rules = [Rule(metric="valid_json", kind="absolute", minimum=0.7)]
    assert decide(candidate=candidate, base=candidate, champion=None, rules=rules, confidence=0.95).decision == decision


def test_rules_against_a_champion_are_skipped_in_writing_while_there_is_none(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    rules = [Rule(metric="rouge_l", against="champion", kind="non_inferior", margin=0.1), BETTER]
    verdict = decide(candidate=candidate, base=base, champion=None, rules=rules, confidence=0.95)
    assert verdict.decision == "promote"
    assert "skipped, there is no champion yet" in verdict.reasons[0].text


def test_the_champion_itself_is_not_promoted_again(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    verdict = decide(candidate=candidate, base=base, champion=candidate, rules=[BETTER], confidence=0.95)
    assert (verdict.decision, verdict.reasons[0].rule) == ("reject", "identical")


def test_without_anything_to_check_a_person_decides(tmp_path: Path) -> None:
    candidate = report(tmp_path, "c", {"rouge_l": HIGH})
    verdict = decide(candidate=candidate, base=candidate, champion=None, rules=[], confidence=0.95)
    assert verdict.decision == "needs_review"


def test_rows_that_only_one_model_answered_do_not_count(tmp_path: Path) -> None:
    ids = [f"row-{i}" for i in range(20, 60)]
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}, ids=ids), report(tmp_path, "b", {"rouge_l": LOW})
    verdict = decide(candidate=candidate, base=base, champion=None, rules=[BETTER], confidence=0.95)
    assert "(20 rows)" in verdict.reasons[0].text


@pytest.mark.parametrize("rule", [Rule(metric="brilliance"), Rule(metric="rouge_l", kind="absolute")])
def test_a_rule_that_cannot_be_checked_fails(tmp_path: Path, rule: Rule) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    verdict = decide(candidate=candidate, base=base, champion=None, rules=[BETTER, rule], confidence=0.95)
    assert [reason.passed for reason in verdict.reasons] == [True, False]
    assert verdict.decision == "reject"


def test_a_few_rows_prove_nothing_however_good_they_are(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": [1.0] * 2}), report(tmp_path, "b", {"rouge_l": [0.0] * 2})
    verdict = decide(candidate=candidate, base=base, champion=None, rules=[BETTER], confidence=0.95)
    assert verdict.decision == "reject"
    assert "too few" in verdict.reasons[0].text


def test_probe_scores_are_compared_probe_by_probe(tmp_path: Path) -> None:
    base = report(tmp_path, "b", {"rouge_l": LOW}, probes={"general_skills": [1.0] * 30})
    forgetful = report(tmp_path, "c", {"rouge_l": HIGH}, probes={"general_skills": [1.0, 0.0] * 15})
    rules = [BETTER, Rule(metric="general_skills", kind="non_inferior", margin=0.1)]
    verdict = decide(candidate=forgetful, base=base, champion=None, rules=rules, confidence=0.95)
    assert [reason.passed for reason in verdict.reasons] == [True, False]


def test_one_failed_rule_is_enough_to_refuse(tmp_path: Path) -> None:
    base = report(tmp_path, "b", {"rouge_l": LOW, "loss": LOW})
    candidate = report(tmp_path, "c", {"rouge_l": HIGH, "loss": HIGH})
    verdict = decide(
        candidate=candidate, base=base, champion=None, rules=[BETTER, Rule(metric="loss")], confidence=0.95
    )
    assert (verdict.decision, [reason.passed for reason in verdict.reasons]) == ("reject", [True, False])


def false_alarms(clusters_of: int, seed: int, *, pretend_independent: bool = False) -> float:
    """Share of A/A comparisons in which a model is found better than its equal, at a risk of 5 %."""
    random = np.random.default_rng(seed)
    rows, found = 40, 0
    names = [str(i if pretend_independent else i // clusters_of) for i in range(rows)]
    for trial in range(300):
        shared = np.repeat(random.normal(size=rows // clusters_of), clusters_of)
        differences = shared + (random.normal(0, 0.3, rows) if clusters_of > 1 else 0.0)
        found += difference(differences, np.zeros(rows), names, seed=trial, resamples=799).lower_bound(0.05) > 0
    return found / 300


def test_equal_models_are_rarely_found_better() -> None:
    assert false_alarms(1, seed=1) < 0.09  # 5 %, and three standard errors of 300 trials


def test_equal_models_are_rarely_found_better_on_clustered_rows_where_naive_pairing_fails() -> None:
    assert false_alarms(5, seed=2) < 0.09
    assert false_alarms(5, seed=2, pretend_independent=True) > 0.15
