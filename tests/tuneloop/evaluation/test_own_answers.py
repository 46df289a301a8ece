from __future__ import annotations

import math
from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses, log_probabilities
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration
PROMPTS, ANSWERS = ["Where is it?", "Is it late?", "Where is it?"], ["On its way.", "", "No idea."]


class Counting(LanguageModel):
    """How many texts it was asked to read."""

    read = 0

    def losses(self, texts, starts):  # type: ignore[no-untyped-def]
        self.read += len(texts)
        return super().losses(texts, starts)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Counting:
    return Counting(make_tiny_model(tmp_path_factory.mktemp("tiny")), threads=1)


def asked(model: LanguageModel, cache: Path, prompts: list[str] = PROMPTS, answers: list[str] = ANSWERS) -> list[float]:
    return log_probabilities(
        model, model_hash="h", prompts=prompts, answers=answers, system_prompt="Be brief.", cache=cache
    )


def test_it_is_the_mean_over_the_tokens_of_the_answer_and_its_end(model: Counting, tmp_path: Path) -> None:
    record = Record("", (Message("user", "Is it late?"), Message("assistant", "")), "", 0)
    found = asked(model, tmp_path)
    assert found[1] == pytest.approx(-answer_losses(model, [record], "Be brief.")[0])
    assert all(math.isfinite(value) and value < 0 for value in found)
    assert len(set(found)) == 3


def test_an_answer_is_read_once_and_a_torn_line_again(model: Counting, tmp_path: Path) -> None:
    first = asked(model, tmp_path)
    (file,) = tmp_path.iterdir()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert "way" not in file.read_text()
    before = model.read
    assert asked(model, tmp_path) == first
    assert model.read == before
    file.write_text(file.read_text()[:-9])
    assert asked(model, tmp_path) == first
    assert model.read == before + 1
