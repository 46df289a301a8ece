from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tests.tuneloop.evaluation.judge.fakes import pair
from tuneloop.adapters.local_judge import BATCH_QUESTIONS, LocalJudge
from tuneloop.errors import ModelError
from tuneloop.evaluation.judge.judging import judge_pairs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


def test_every_question_gets_an_answer_in_its_place(model: Path) -> None:
    judge = LocalJudge(model, model_hash="tiny", threads=1)
    questions = [f"Is lamp {number} better?" for number in range(BATCH_QUESTIONS + 2)]
    together = list(judge.complete("Say A or B.", questions))
    assert len(together) == len(questions)
    assert together[-1] == next(judge.complete("Say A or B.", questions[-1:]))


def test_a_question_that_is_too_long_gets_none_and_the_others_do(model: Path) -> None:
    judge = LocalJudge(model, model_hash="tiny", max_question_tokens=80, threads=1)
    said = list(judge.complete("Say A.", ["lamp?", "lamp " * 200, "parcel?"]))
    assert said[1] == ""
    assert said[0] == next(judge.complete("Say A.", ["lamp?"]))
    assert said[2] == next(judge.complete("Say A.", ["parcel?"]))
    assert list(judge.complete("Say A.", ["lamp " * 200])) == [""]


def test_a_model_that_cannot_judge_makes_ties_and_is_loaded_only_if_something_is_missing(
    model: Path, tmp_path: Path
) -> None:
    first = judge_pairs(
        LocalJudge(model, model_hash="tiny", threads=1), [pair(1), pair(2)], criteria="Longer?", cache=tmp_path
    )
    assert first.scores == (0.5, 0.5)
    gone = LocalJudge(tmp_path / "gone", model_hash="tiny", threads=1)
    assert judge_pairs(gone, [pair(1), pair(2)], criteria="Longer?", cache=tmp_path) == first


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer"):
        list(LocalJudge(tmp_path, model_hash="none").complete("Say A.", ["lamp?"]))
