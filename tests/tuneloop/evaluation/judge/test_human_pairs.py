from __future__ import annotations

from typing import Any

from tuneloop.evaluation.judge.pairs import HumanPair, human_pairs


def corrected(prompt: str, chosen: str = "right", rejected: str = "wrong") -> dict[str, Any]:
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def rated(answer: str, rating: int, reviewer: str = "ann", prompt: str = "p", issues: tuple[str, ...] = ()) -> dict:
    return {"prompt": prompt, "answer": answer, "rating": rating, "reviewer": reviewer, "issues": list(issues)}


def liked(human: HumanPair) -> str | None:
    return {1.0: human.pair.candidate, 0.0: human.pair.reference}.get(human.preferred)


def test_a_correction_is_better_than_what_it_corrects_and_stands_on_either_side() -> None:
    found = human_pairs([corrected(f"prompt {i}") for i in range(60)], [])
    assert [liked(human) for human in found] == ["right"] * 60
    assert 15 < sum(human.preferred for human in found) < 45


def test_the_side_does_not_depend_on_the_order_of_the_rows() -> None:
    rows = [corrected(f"prompt {i}") for i in range(10)]
    assert human_pairs(rows, []) == human_pairs(rows[::-1], [])


def test_the_same_people_decide_between_two_answers() -> None:
    ratings = [rated("x", 5), rated("y", 2), rated("x", 2, "bob"), rated("y", 1, "bob"), rated("y", 5, "cem")]
    (found,) = human_pairs([], ratings)
    assert liked(found) == "x"


def test_equal_ratings_and_people_who_disagree_are_ties() -> None:
    equal = [rated("x", 3), rated("y", 3)]
    split = [rated("x", 5, prompt="q"), rated("y", 1, prompt="q"), rated("x", 1, "bob", "q"), rated("y", 5, "bob", "q")]
    assert [human.preferred for human in human_pairs([], [*equal, *split])] == [0.5, 0.5]


def test_answers_that_nobody_saw_both_of_are_no_pair() -> None:
    assert human_pairs([], [rated("x", 5), rated("y", 1, "bob")]) == []


def test_a_correction_against_the_ratings_is_a_tie() -> None:
    ratings = [rated("wrong", 5, prompt="p"), rated("right", 1, prompt="p")]
    (found,) = human_pairs([corrected("p")], ratings)
    assert found.preferred == 0.5


def test_a_prompt_that_somebody_flagged_is_shown_to_no_judge() -> None:
    ratings = [rated("x", 5, issues=("flag:personal data",)), rated("y", 1), rated("z", 4, prompt="q")]
    assert human_pairs([corrected("p")], ratings) == []


def test_pairs_to_one_prompt_share_a_cluster_and_related_prompts_can_too() -> None:
    rows = [corrected("p", "right"), corrected("p", "also right"), corrected("q")]
    assert len({human.pair.cluster for human in human_pairs(rows, [])}) == 2
    assert {human.pair.cluster for human in human_pairs(rows, [], clusters={"p": "c", "q": "c"})} == {"c"}


def compared(preferred: str, weight: float = 1.0, prompt: str = "p", **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "answer": "x", "alternative": "y", "preferred": preferred, "weight": weight} | more


def test_what_people_said_of_two_answers_side_by_side_is_a_pair_and_so_are_their_ties() -> None:
    tie = [compared("tie"), compared("answer", prompt="q"), compared("alternative", prompt="q")]
    assert [human.preferred for human in human_pairs([], [], tie)] == [0.5, 0.5]
    (found,) = human_pairs([], [], [compared("answer"), compared("alternative", 1.5)])
    assert liked(found) == "y"


def test_a_comparison_of_a_text_with_none_or_itself_is_no_pair() -> None:
    assert human_pairs([], [], [compared("answer", alternative=" "), compared("answer", alternative="x ")]) == []


def test_a_comparison_that_somebody_flagged_is_shown_to_no_judge() -> None:
    assert human_pairs([corrected("p")], [], [compared("answer", flagged=True)]) == []
