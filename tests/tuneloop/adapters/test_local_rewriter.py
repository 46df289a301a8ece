from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.adapters.local_rewriter import LocalRewriter, _bare
from tuneloop.errors import ModelError

pytestmark = pytest.mark.integration

TEXTS = ["The lamp does not work.", "", "Where is my parcel? It is late.", "lamp " * 900]


@pytest.fixture(scope="module")
def rewriter(tmp_path_factory: pytest.TempPathFactory) -> LocalRewriter:
    return LocalRewriter(make_tiny_model(tmp_path_factory.mktemp("tiny")), threads=1)


def test_every_text_gets_an_answer_or_nothing_in_its_place(rewriter: LocalRewriter) -> None:
    made = rewriter.rewrite(TEXTS, "Say it in other words.")

    assert len(made) == len(TEXTS)
    assert made[1] == made[3] == ""  # nothing to say, and too long
    assert rewriter.rewrite([], "Say it in other words.") == []


def test_the_same_texts_become_the_same(rewriter: LocalRewriter) -> None:
    assert rewriter.rewrite(TEXTS[:3], "Shorter.") == rewriter.rewrite(TEXTS[:3], "Shorter.")


def test_an_answer_that_came_to_no_end_counts_as_none(tmp_path: Path) -> None:
    class Endless(LocalRewriter):
        """Its model talks until it is stopped: nothing ends a turn."""

        def __init__(self, folder: Path) -> None:
            super().__init__(folder, threads=1)
            self._model.stop_ids = frozenset({-1})

    assert Endless(make_tiny_model(tmp_path)).rewrite(TEXTS[:1], "Shorter.") == [""]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no tokenizer"):
        LocalRewriter(tmp_path).rewrite(["Hello"], "Shorter.")


@pytest.mark.parametrize(
    ("answer", "text", "bare"),
    [
        ('"Where is it?"', "where is it", "Where is it?"),
        ("Sure, here is the new message:\n\nWhere is it?", "where is it", "Where is it?"),
        ("'Ash 04' is the label", "the label is 'Ash 04'", "'Ash 04' is the label"),
        ("Here is my question: where?", "where", "Here is my question: where?"),
        ('"As new" it said', '"As new" they said', '"As new" it said'),
    ],
)
def test_what_models_put_around_a_message_goes(answer: str, text: str, bare: str) -> None:
    assert _bare(answer, text) == bare
