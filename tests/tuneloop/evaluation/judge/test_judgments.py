from __future__ import annotations

from pathlib import Path

from tests.tuneloop.evaluation.judge.chat_server import always_first, prefers_longer
from tests.tuneloop.evaluation.judge.fakes import FakeJudge, pair
from tuneloop.evaluation.judge.agreement import Agreement
from tuneloop.evaluation.judge.judgments import form_judgment, try_judge
from tuneloop.evaluation.judge.pairs import human_pairs
from tuneloop.results import Opinion

PEOPLE = human_pairs(
    [{"prompt": f"prompt {i}", "chosen": f"a long and careful answer {i}", "rejected": "no"} for i in range(40)], []
)


def tried(judge: FakeJudge, cache: Path) -> Agreement:
    return try_judge(judge, PEOPLE, criteria="Which is longer?", min_kappa=0.4, cache=cache)


def judgment(judge: FakeJudge, folder: Path) -> Opinion:
    return form_judgment(
        judge,
        [pair(1), pair(2, "no", "a long reference"), pair(3, "same", "same")],
        agreement=tried(judge, folder / "cache"),
        criteria="Which is longer?",
        against="champion",
        cache=folder / "cache",
        file=folder / "new" / "judge.parquet",
    )


def test_a_judge_that_shares_peoples_taste_may_count(tmp_path: Path) -> None:
    agreement = tried(FakeJudge(prefers_longer), tmp_path)
    assert agreement.may_count
    assert agreement.kappa is not None
    assert agreement.kappa.value == 1.0


def test_a_judge_with_a_habit_of_place_may_not(tmp_path: Path) -> None:
    agreement = tried(FakeJudge(always_first), tmp_path)
    assert not agreement.may_count
    assert agreement.kappa is not None
    assert agreement.kappa.value == 0.0


def test_a_judgment_carries_its_scores_and_why_it_counts(tmp_path: Path) -> None:
    import pandas as pd

    found = judgment(FakeJudge(prefers_longer), tmp_path)
    assert (found.metric, found.against, found.may_count) == ("judge_preference", "champion", True)
    assert found.agreement is not None
    assert found.agreement.n == 40
    assert "same verdict with the answers swapped for 100% of the pairs" in found.text
    table = pd.read_parquet(found.file)
    assert table.to_dict("list") == {
        "id": ["row-1", "row-2", "row-3"],
        "cluster": ["cluster-1", "cluster-2", "cluster-3"],
        "score": [1.0, 0.0, 0.5],
        "score_reference": [0.0, 1.0, 0.5],
    }


def test_a_judgment_that_does_not_count_says_so_and_how_noisy_it_is(tmp_path: Path) -> None:
    found = judgment(FakeJudge(always_first), tmp_path)
    assert not found.may_count
    assert found.text.startswith("The judge is shown but does not count")
    assert "for 0% of the pairs" in found.text


def test_a_model_that_gives_no_verdicts_is_asked_after(tmp_path: Path) -> None:
    found = judgment(FakeJudge(lambda _: "I am a helpful assistant."), tmp_path)
    assert "None of its 4 answers was a verdict: is it the right model?" in found.text


def test_no_text_of_a_row_is_in_a_judgment(tmp_path: Path) -> None:
    found = judgment(FakeJudge(prefers_longer), tmp_path).model_dump_json()
    assert "long reference" not in found
    assert "prompt 1" not in found
