from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.tuneloop.review.answers import said
from tests.tuneloop.review.crowd import always_five, careful, careless, gold_rows, judged_by, malicious, truth_of
from tuneloop.ports import ReviewAnswer
from tuneloop.review.adjudication import case_id
from tuneloop.review.collecting import collect, examined
from tuneloop.review.quality import Observed
from tuneloop.review.rows import read_rows, write_rows

TEAM = {"a": careful, "b": careful, "c": careful}


def observed(folder: Path, answers: list[ReviewAnswer], gold: int = 0) -> dict[str, Observed]:
    folder.mkdir(exist_ok=True)
    write_rows(folder / "gold.jsonl", gold_rows(range(gold)))
    return examined(answers, folder=folder).observed


def test_nobody_knows_anything_of_somebody_who_has_answered_alone(tmp_path):
    (seen,) = observed(tmp_path, [said()]).values()
    assert (seen.reliability, seen.weight, seen.is_doubtful, seen.records) == (0.8, 1.0, False, 1)


def test_what_is_known_is_counted_as_the_page_says():
    seen = Observed("a", gold=(3, 1), decided=(1, 0), peers=(2.0, 0.5))
    assert seen.reliability == pytest.approx((4 + 3 + 1 + 2) / (5 + 4 + 1 + 2.5))
    assert Observed("a", gold=(0, 3)).weight == 0.0
    assert Observed("a", gold=(1000, 0)).weight == pytest.approx(5 / 3, abs=0.01)
    low, high = Observed("a", gold=(30, 2)).interval()
    assert 0.78 < low < Observed("a", gold=(30, 2)).reliability < high < 0.99


@pytest.mark.parametrize("bad", [careless, malicious, always_five])
@pytest.mark.parametrize("seed", range(5))
def test_with_some_gold_a_bad_reviewer_is_recognised_and_no_careful_one_is_suspected(tmp_path, bad, seed):
    answers = judged_by(TEAM | {"bad": bad}, records=200, per_record=2, seed=seed)
    found = observed(tmp_path, answers, gold=30)
    assert [name for name, seen in found.items() if seen.is_doubtful] == ["bad"]
    assert found["bad"].weight < 0.5
    assert all(found[name].weight > 1 for name in TEAM)


@pytest.mark.parametrize("seed", range(5))
def test_without_gold_the_one_who_disagrees_with_most_is_recognised(tmp_path, seed):
    answers = judged_by(TEAM | {"bad": malicious}, records=150, per_record=2, seed=seed)
    found = observed(tmp_path, answers)
    assert [name for name, seen in found.items() if seen.is_doubtful] == ["bad"]


def test_gold_finds_a_majority_that_is_bad_and_agreement_alone_is_led_astray_by_it(tmp_path):
    answers = judged_by({"a": careful, "m": malicious, "n": malicious}, records=100, per_record=3, seed=2)
    with_gold = observed(tmp_path / "gold", answers, gold=20)
    assert (with_gold["a"].weight > 1, with_gold["m"].weight, with_gold["n"].weight) == (True, 0.0, 0.0)
    assert observed(tmp_path / "none", answers)["a"].weight == 0.0


def test_the_weighted_mean_is_nearer_to_the_truth_than_the_plain_one(tmp_path):
    answers = judged_by(TEAM | {"m": malicious, "x": careless}, records=200, per_record=3, seed=4)
    write_rows(tmp_path / "gold.jsonl", gold_rows(range(20)))
    collect(answers, folder=tmp_path)
    given: dict[str, list[tuple[int, float]]] = {}
    for row in read_rows(tmp_path / "ratings.jsonl"):
        given.setdefault(row["item_id"], []).append((row["rating"], row["weight"]))
    plain: dict[str, list[int]] = {}
    for answer in answers:
        plain.setdefault(answer.item_id, []).append(answer.rating or 0)
    errors = {"plain": 0.0, "weighted": 0.0}
    for item, ratings in given.items():
        truth = truth_of(int(item[1:]))
        errors["weighted"] += abs(sum(r * w for r, w in ratings) / sum(w for _, w in ratings) - truth)
        errors["plain"] += abs(sum(plain[item]) / len(plain[item]) - truth)
    assert errors["weighted"] < 0.6 * errors["plain"]


def test_the_word_of_somebody_who_is_wrong_on_gold_teaches_nothing(tmp_path):
    write_rows(tmp_path / "gold.jsonl", gold_rows(range(4)))
    answers = [
        said(response_id=f"r{n}", item_id=f"i{n}", prompt=f"p{n}", rating=6 - truth_of(n) if n != 2 else 1)
        for n in range(6)
    ]
    report = collect(answers, folder=tmp_path)
    assert report.corrections == 0
    assert report.unusable == {"unreliable_reviewer": 2}
    good = said(response_id="good", item_id="i5", prompt="p5", reviewer="reviewer-b", correction="Right.")
    assert collect([good], folder=tmp_path).corrections == 1
    assert [row["completion"] for row in read_rows(tmp_path / "corrections.jsonl")] == ["Right."]


def test_a_flag_counts_whoever_sets_it(tmp_path):
    write_rows(tmp_path / "gold.jsonl", gold_rows(range(4)))
    wrong = [said(response_id=f"r{n}", item_id=f"i{n}", rating=6 - truth_of(n) if n != 2 else 1) for n in range(4)]
    flag = said(response_id="flag", item_id="i9", prompt="p9", issues=("flag:personal_data",), correction=None)
    good = said(response_id="good", item_id="i9", prompt="p9", reviewer="reviewer-b")
    assert collect([*wrong, flag, good], folder=tmp_path).corrections == 0


def decision(record: str, **changes) -> ReviewAnswer:
    whole = {"response_id": f"d-{record}", "item_id": case_id(("desk-round-1", record)), "reviewer": "judge"}
    return said(**whole | {"kind": "adjudication", "review_set": "desk-adjudication-1", "correction": None} | changes)


def test_decisions_tell_who_was_right(tmp_path):
    answers = []
    for n in range(8):
        answers += [
            said(response_id=f"a{n}", item_id=f"i{n}", reviewer="a", rating=2, correction="We are tracing it."),
            said(response_id=f"b{n}", item_id=f"i{n}", reviewer="b", rating=5, correction=None),
            decision(f"i{n}", rating=1, alternative="We are tracing it.", preferred="alternative"),
        ]
    found = observed(tmp_path, answers)
    assert (found["a"].decided, found["b"].decided) == ((8, 0), (0, 8))
    assert found["a"].weight > 1 > found["b"].weight == 0.0
    assert "judge" not in found


def test_a_decision_of_ones_own_proves_nothing(tmp_path):
    answers = [said(reviewer="a", rating=1), said(response_id="r2", reviewer="b", rating=5, correction=None)]
    found = observed(tmp_path, [*answers, decision("i1", reviewer="a", rating=1, preferred="answer")])
    assert (found["a"].decided, found["b"].decided) == ((0, 0), (0, 1))


def test_reliability_does_not_depend_on_the_order_of_answers(tmp_path):
    answers = judged_by(TEAM | {"x": careless}, records=40, per_record=2, seed=8)
    shuffled = Random(1).sample(answers, len(answers))
    assert observed(tmp_path, answers, gold=4) == observed(tmp_path, shuffled, gold=4)
