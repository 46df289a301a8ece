from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import DataError
from tuneloop.evaluation.judge.pairs import HumanPair, human_pairs, read_pairs
from tuneloop.results import Cost, EvaluationReport


def report(folder: Path, ids: Sequence[str], *, prompt: str = "prompt of {}") -> EvaluationReport:
    import pandas as pd

    folder.mkdir()
    lines = [{"id": i, "prompt": prompt.format(i), "answer": f"{folder.name} {i}", "expected": "?"} for i in ids]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pd.DataFrame({"id": list(ids), "cluster": [f"c-{i}" for i in ids]}).to_parquet(folder / "scores.parquet")
    return EvaluationReport(
        model=folder.name,
        model_hash="h",
        data_version="v",
        metrics={},
        scores=str(folder / "scores.parquet"),
        answers=str(folder / "answers.jsonl"),
        tokens_per_second=1.0,
        cost=Cost(seconds=1.0, peak_rss_mib=1.0),
    )


def test_the_rows_that_both_models_answered_become_pairs(tmp_path: Path) -> None:
    pairs = read_pairs(report(tmp_path / "new", "abcd"), report(tmp_path / "old", "bcde"), max_rows=None)
    assert sorted(pair.id for pair in pairs) == ["b", "c", "d"]
    found = next(pair for pair in pairs if pair.id == "b")
    assert (found.cluster, found.prompt, found.candidate, found.reference) == ("c-b", "prompt of b", "new b", "old b")


def test_a_sample_grows_without_changing(tmp_path: Path) -> None:
    new, old = report(tmp_path / "new", "abcdefgh"), report(tmp_path / "old", "hgfedcba")
    assert read_pairs(new, old, max_rows=3) == read_pairs(new, old, max_rows=5)[:3]


def test_rows_whose_prompts_differ_are_no_pairs(tmp_path: Path) -> None:
    new, old = report(tmp_path / "new", "ab"), report(tmp_path / "old", "ab", prompt="another {}")
    with pytest.raises(DataError, match="not tested on the same rows"):
        read_pairs(new, old, max_rows=None)


@pytest.mark.parametrize(("name", "content"), [("answers.jsonl", '{"id": "a'), ("scores.parquet", "no table")])
def test_a_torn_file_of_a_report_is_named(tmp_path: Path, name: str, content: str) -> None:
    new, old = report(tmp_path / "new", "ab"), report(tmp_path / "old", "ab")
    (tmp_path / "new" / name).write_text(content)
    with pytest.raises(DataError, match=f"{name} cannot be read .*evaluate the model again"):
        read_pairs(new, old, max_rows=None)


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
