import math

import pytest

from tuneloop.ports import ReviewItem
from tuneloop.review.review_sets import AskedLedger, choose_items, may_be_asked, prompt_hash


@pytest.fixture
def ledger(tmp_path):
    return AskedLedger(tmp_path / "asked.jsonl")


def items(count: int) -> list[ReviewItem]:
    return [ReviewItem(f"i{n}", f"prompt {n}", "answer", "m", {"quality": n / count}) for n in range(count)]


def choose(rows, ledger, review_set="set-1", **changes):
    wanted = {"count": 8, "test_prompts": [], "seed": 3, "score": "quality"} | changes
    return choose_items(rows, review_set=review_set, ledger=ledger, **wanted)


def test_the_lowest_scores_go_first_and_a_share_is_drawn_at_random(ledger):
    chosen = choose(items(40), ledger)
    assert [item.id for item in chosen[:6]] == ["i0", "i1", "i2", "i3", "i4", "i5"]
    assert len(chosen) == 8
    assert {item.id for item in chosen[6:]} - {"i6", "i7"}


def test_an_unscored_answer_is_the_most_doubtful(ledger):
    odd = [ReviewItem("none", "a", "x", "m", {}), ReviewItem("nan", "b", "x", "m", {"quality": math.nan})]
    assert {item.id for item in choose(items(10) + odd, ledger, count=2, random_share=0.0)} == {"none", "nan"}


def test_a_test_prompt_is_never_asked_however_it_is_written(ledger):
    chosen = choose(items(3), ledger, test_prompts=["  PROMPT   1 "])
    assert {item.id for item in chosen} == {"i0", "i2"}


def test_no_prompt_is_asked_twice_over_all_sets(ledger):
    first = choose(items(12), ledger, "set-1")
    second = choose(items(12), ledger, "set-2")
    assert len(first) == 8
    assert len(second) == 4
    assert not {i.id for i in first} & {i.id for i in second}


def test_a_prompt_that_comes_twice_is_asked_once(ledger):
    twice = [ReviewItem("a", "Same  prompt", "x", "m", {}), ReviewItem("b", "same prompt", "y", "m", {})]
    assert [item.id for item in choose(twice, ledger)] == ["a"]


def test_a_set_that_was_cut_off_is_chosen_again_as_it_was(ledger):
    first = choose(items(40), ledger)
    again = choose(items(40)[::-1], ledger, seed=99)
    assert {item.id for item in again} == {item.id for item in first}


def test_the_same_seed_draws_the_same_set(tmp_path):
    ledgers = [AskedLedger(tmp_path / name / "asked.jsonl") for name in "ab"]
    assert choose(items(40), ledgers[0]) == choose(items(40), ledgers[1])


def test_prompts_can_be_sorted_out_before_answers_are_generated(ledger):
    ledger.remember("set-0", ["b"])
    assert may_be_asked(["a", "b", "c", "A"], review_set="set-1", test_prompts=["c"], ledger=ledger) == [0]


def test_the_ledger_holds_no_text(ledger):
    ledger.remember("set-1", ["a secret prompt"])
    assert "secret" not in ledger.file.read_text()
    assert ledger.asked() == {prompt_hash("A secret  prompt"): "set-1"}
