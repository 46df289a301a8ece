from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.tuneloop.evaluation.score_tables import report
from tuneloop.evaluation.gate import decide, holm
from tuneloop.evaluation.intervals import difference
from tuneloop.recipes import Rule
from tuneloop.results import Opinion, Reason

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
    assert "a change of +0.300; at least +0.300 with 97.5% confidence, needed above +0.000" in reason.text
    assert reason.text.endswith("(40 rows)")


def test_a_lower_loss_is_an_improvement_and_a_higher_one_is_not(tmp_path: Path) -> None:
    low, high = report(tmp_path, "low", {"loss": LOW}), report(tmp_path, "high", {"loss": HIGH})
    rules = [Rule(metric="loss")]
    better = decide(candidate=low, base=high, champion=None, rules=rules, confidence=0.95)
    worse = decide(candidate=high, base=low, champion=None, rules=rules, confidence=0.95)
    assert (better.decision, worse.decision) == ("promote", "reject")
    assert "at most -0.300" in better.reasons[0].text


@pytest.mark.parametrize(("drop", "decision"), [(0.02, "needs_review"), (0.2, "reject")])
def test_a_champion_may_be_missed_by_the_margin_only(tmp_path: Path, drop: float, decision: str) -> None:
    noise = np.random.default_rng(3).normal(0, 0.02, 40)
    candidate = report(tmp_path, "c", {"rouge_l": (np.array(HIGH) - drop + noise).tolist()})
    champion, base = report(tmp_path, "champion", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    rule = Rule(metric="rouge_l", against="champion", kind="non_inferior", margin=0.05)
    # Nothing but the margin is asked, so what holds it goes to a person.
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


@pytest.mark.parametrize("rule", [Rule(metric="brilliance"), Rule(metric="brilliance", kind="absolute", minimum=0.1)])
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


SLICED = {"label:mood": ["good"] * 20 + ["bad"] * 20}


def test_a_slice_that_got_worse_refuses_a_model_that_got_better_on_the_whole(tmp_path: Path) -> None:
    base = report(tmp_path, "b", {"rouge_l": LOW}, slices=SLICED)
    uneven = (np.array(LOW) + np.repeat([0.6, -0.1], 20)).tolist()
    candidate = report(tmp_path, "c", {"rouge_l": uneven}, slices=SLICED)
    rules = [BETTER, Rule(metric="rouge_l", kind="no_harm", slice="label:mood")]
    verdict = decide(candidate=candidate, base=base, champion=None, rules=rules, confidence=0.95)
    assert verdict.decision == "reject"
    assert {r.slice: r.passed for r in verdict.reasons} == {
        None: True,
        "label:mood=good": True,
        "label:mood=bad": False,
    }


def test_small_slices_are_not_compared_and_one_value_can_be_named(tmp_path: Path) -> None:
    slices = {"label:mood": ["good"] * 35 + ["bad"] * 5}
    base = report(tmp_path, "b", {"rouge_l": LOW}, slices=slices)
    candidate = report(tmp_path, "c", {"rouge_l": HIGH}, slices=slices)
    for by, seen in (("label:mood", ["label:mood=good"]), ("label:mood=bad", [None])):
        rules = [BETTER, Rule(metric="rouge_l", kind="no_harm", slice=by)]
        verdict = decide(candidate=candidate, base=base, champion=None, rules=rules, confidence=0.95)
        assert [r.slice for r in verdict.reasons[1:]] == seen
        assert verdict.decision == "promote"


def test_many_slices_do_not_refuse_an_equal_model_by_their_number(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    slices = {"extra:shop": [f"shop-{i // 12}" for i in range(240)]}
    refused = 0
    for trial in range(40):
        pair = [
            report(tmp_path, f"{side}{trial}", {"m": random.normal(0.5, 0.1, 240).tolist()}, slices=slices)
            for side in "cb"
        ]
        rules = [Rule(metric="m", kind="no_harm", slice="extra:shop")]
        verdict = decide(candidate=pair[0], base=pair[1], champion=None, rules=rules, confidence=0.95)
        refused += verdict.decision == "reject"
    assert refused <= 4  # 2.5 % of 40 and three standard errors; uncorrected, 20 slices refuse 4 in 10


def test_any_gain_is_enough_where_the_recipe_says_so_and_none_is_not(tmp_path: Path) -> None:
    base = report(tmp_path, "b", {"rouge_l": LOW, "bleu": LOW})
    candidate = report(tmp_path, "c", {"rouge_l": HIGH, "bleu": LOW})
    rules = [Rule(metric="bleu"), Rule(metric="rouge_l")]
    decisions = {
        way: decide(
            candidate=candidate, base=base, champion=None, rules=rules, confidence=0.95, improvement=way
        ).decision
        for way in ("all", "any")
    }
    assert decisions == {"all": "reject", "any": "promote"}
    same = report(tmp_path, "same", {"rouge_l": LOW, "bleu": LOW})
    verdict = decide(candidate=same, base=base, champion=None, rules=rules, confidence=0.95, improvement="any")
    assert verdict.decision == "reject"
    assert verdict.reasons[-1].text == "any gain over base: none of 2 rules shows one"


def test_a_copy_of_the_champion_under_another_hash_is_no_improvement(tmp_path: Path) -> None:
    champion = report(tmp_path, "champion", {"rouge_l": HIGH, "loss": LOW})
    copy, base = (report(tmp_path, name, {"rouge_l": HIGH, "loss": LOW}) for name in ("copy", "b"))
    guards = [Rule(metric="rouge_l", against="champion", kind="non_inferior", margin=0.1)]
    for gains, decision in (([], "needs_review"), ([Rule(metric="loss", against="champion")], "reject")):
        verdict = decide(candidate=copy, base=base, champion=champion, rules=[*guards, *gains], confidence=0.95)
        assert verdict.decision == decision


def test_scores_of_an_unsound_evaluation_are_not_looked_at(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    broken = Reason(rule="leaks", passed=False, text="a test row was trained on")
    verdict = decide(candidate=candidate, base=base, champion=None, rules=[BETTER], confidence=0.95, soundness=[broken])
    assert (verdict.decision, verdict.reasons) == ("reject", [broken])


def opinion(folder: Path, metric: str, scores: list[float], **fields: Any) -> Opinion:
    file = folder / f"{metric}-{sum(scores)}.parquet"
    table = pd.DataFrame({"id": range(len(scores)), "cluster": [str(i) for i in range(len(scores))], "score": scores})
    table.assign(score_reference=1 - table["score"]).to_parquet(file)
    return Opinion.model_validate({"metric": metric, "against": "base", "file": str(file), **fields})


def test_people_are_waited_for_and_then_decide(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    rules = [BETTER, Rule(metric="human_preference")]
    found = {}
    for name, opinions in (
        ("nobody", []),
        ("liked", [opinion(tmp_path, "human_preference", [1.0] * 18 + [0.0] * 2)]),
        ("disliked", [opinion(tmp_path, "human_preference", [1.0] * 9 + [0.0] * 11)]),
    ):
        verdict = decide(candidate=candidate, base=base, champion=None, rules=rules, confidence=0.95, opinions=opinions)
        found[name] = verdict.decision
    assert found == {"nobody": "needs_review", "liked": "promote", "disliked": "reject"}


def test_a_judge_that_does_not_agree_with_people_decides_nothing(tmp_path: Path) -> None:
    candidate, base = report(tmp_path, "c", {"rouge_l": HIGH}), report(tmp_path, "b", {"rouge_l": LOW})
    liked = opinion(tmp_path, "judge_preference", [1.0] * 20, may_count=False, text="kappa is 0.1")
    verdict = decide(
        candidate=candidate,
        base=base,
        champion=None,
        rules=[BETTER, Rule(metric="judge_preference")],
        confidence=0.95,
        opinions=[liked],
    )
    assert verdict.decision == "needs_review"
    assert "kappa is 0.1" in verdict.reasons[1].text


def test_holm_is_stricter_with_the_smallest_and_stops_at_the_first_that_stays() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05).tolist() == [True, False, False, True]
    assert holm([0.03, 0.001], 0.05).tolist() == [True, True]
    assert holm([], 0.05).tolist() == []
