"""Ours against the libraries whose scores they must be."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nltk.translate.meteor_score import single_meteor_score
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu import sentence_bleu as their_bleu
from sacrebleu import sentence_chrf as their_chrf

from tuneloop.evaluation.modules.scoring.ngrams import meteor_scores, rouge_l, rouge_n, sentence_bleu, sentence_chrf
from tuneloop.evaluation.modules.scoring.words import words_and_marks

pytestmark = pytest.mark.integration

PLAIN = """
the cat cats running runs ran a an of and don't it's 3.14 1,000 -5 5-6 e.g. end. (so) [x] {y} 50% a/b x_y @me #1
<b> &amp; &lt; &quot; <skipped> ... -- “quoted” naïve İstanbul ŒUVRE 東京都 привет
"""
ODD = ("", "\t", "\n", "-\n", "\xa0", "\x85", "\u2013", "\u2028", "\ufeff", "\U0001f469\u200d\U0001f467", chr(0xD800))
PIECES = (*PLAIN.split(), *ODD)
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.text(max_size=30),
)
HOSTILE = ("", " ", "\n", "!", "a", "The cat sat on the mat.", "cat " * 2_000, "x" * 5_000, "é" * 50, "\x1c.\x85,")
SCORER = RougeScorer(["rouge1", "rouge2", "rougeL"])


class NoSynonyms:
    def synsets(self, word: str) -> list[object]:
        return []


def theirs(answer: str, wanted: str) -> list[float]:
    rouge = SCORER.score(wanted, answer)
    words = words_and_marks(wanted), words_and_marks(answer)
    return [
        *(rouge[name].fmeasure for name in ("rouge1", "rouge2", "rougeL")),
        their_bleu(answer, [wanted]).score / 100,
        their_chrf(answer, [wanted]).score / 100,
        single_meteor_score(*words, wordnet=NoSynonyms()),
    ]


def ours(answers: Sequence[str], expected: Sequence[str]) -> list[list[float]]:
    columns = (
        rouge_n(answers, expected, 1),
        rouge_n(answers, expected, 2),
        rouge_l(answers, expected),
        sentence_bleu(answers, expected),
        sentence_chrf(answers, expected),
        meteor_scores(answers, expected),
    )
    return [list(row) for row in zip(*columns, strict=True)]


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_scores_of_any_texts_are_those_of_the_libraries(rows: list[tuple[str, str]]) -> None:
    found = ours([answer for answer, _ in rows], [wanted for _, wanted in rows])
    assert found == [pytest.approx(theirs(*row), abs=1e-9) for row in rows]


def test_scores_of_hostile_texts_are_those_of_the_libraries() -> None:
    rows = [(answer, wanted) for answer in HOSTILE for wanted in HOSTILE if len(answer) + len(wanted) < 10_000]
    found = ours([answer for answer, _ in rows], [wanted for _, wanted in rows])
    assert found == [pytest.approx(theirs(*row), abs=1e-9) for row in rows]


def test_scores_of_many_rows_are_those_of_the_libraries_row_by_row() -> None:
    chance = random.Random(17)
    texts = [" ".join(chance.choices(PIECES, k=chance.randrange(60))) for _ in range(1_200)]
    found = ours(texts[:600], texts[600:])
    assert found == [pytest.approx(theirs(*row), abs=1e-9) for row in zip(texts[:600], texts[600:], strict=True)]
