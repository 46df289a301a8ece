from __future__ import annotations

import random

import pytest

from tuneloop.data.duplicates import Twin, choose, find_clusters, join_groups, normalise

WORDS = [f"word{i}" for i in range(500)]


def a_text(seed: int, words: int = 40) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def chosen(prompts: list[str], **more: list[object]) -> dict[int, Twin]:
    n = len(prompts)
    usual: dict[str, list[object]] = {
        "authority": [1] * n,
        "lengths": [1] * n,
        "labels": [None] * n,
        "protected": [False] * n,
    }
    return choose(prompts, find_clusters(prompts, threshold=0.7), **{**usual, **more})  # type: ignore[arg-type]


def test_case_punctuation_and_spacing_make_no_difference() -> None:
    assert normalise("  Where's my KETTLE?!\n") == normalise("where s my kettle")
    assert normalise("\uff4b\uff45ttle") == "kettle"
    assert normalise("???") == "???"


def test_near_copies_are_found_and_strangers_are_not() -> None:
    base = a_text(1)
    texts = [" ".join(t) for t in (base, [*base, "many", "thanks"], a_text(2), ["me", "again", *base])]

    a, b, other, c = find_clusters(texts, threshold=0.7)

    assert a == b == c != other


def test_recall_is_high_just_above_the_threshold() -> None:
    texts = []
    for seed in range(100):
        base = a_text(seed)
        texts += [" ".join(base), " ".join([*a_text(1000 + seed, 6), *base[:38]])]  # Jaccard .71 or .72

    clusters = find_clusters(texts, threshold=0.7)

    assert sum(clusters[i] == clusters[i + 1] for i in range(0, 200, 2)) >= 95
    assert len(set(clusters)) >= 100


def test_an_instruction_before_every_input_does_not_make_rows_alike() -> None:
    instruction = " ".join(a_text(7))
    texts = [f"{instruction} {' '.join(a_text(100 + i, 8))}" for i in range(60)]

    assert len(set(find_clusters(texts, threshold=0.7))) == 60


def test_a_copy_of_a_copy_is_in_the_same_cluster_and_one_row_is_kept() -> None:
    assert chosen(["a b c d", "a b c d", "a b c d"]) == {1: Twin("exact_copy", 0), 2: Twin("exact_copy", 0)}


def test_the_best_row_is_kept_by_authority_then_length_then_place() -> None:
    same = ["a b c d"] * 3

    assert set(chosen(same, authority=[1, 3, 2])) == {0, 2}
    assert set(chosen(same, lengths=[1, 1, 5])) == {0, 1}
    assert set(chosen(same)) == {1, 2}


def test_a_copy_of_a_test_row_is_leakage() -> None:
    assert chosen(["a b c d"] * 2, authority=[1, 3], protected=[False, True]) == {0: Twin("leakage", 1)}


def test_contradicting_twins_both_go_and_name_each_other() -> None:
    assert chosen(["a b c d"] * 2, labels=["x", "y"]) == {0: Twin("contradiction", 1), 1: Twin("contradiction", 0)}


def test_a_correction_settles_a_contradiction() -> None:
    assert chosen(["a b c d"] * 3, labels=["x", "y", "z"], authority=[1, 1, 2]) == {
        0: Twin("exact_copy", 2),
        1: Twin("exact_copy", 2),
    }


def test_groups_join_clusters() -> None:
    assert join_groups([0, 1, 2, 1], [None, "g", "g", None]) == [0, 1, 1, 1]


@pytest.mark.parametrize("prompts", [[], ["one"], ["", "x"]])
def test_few_rows_are_no_special_case(prompts: list[str]) -> None:
    assert len(set(find_clusters(prompts, threshold=0.7))) == len(prompts)
