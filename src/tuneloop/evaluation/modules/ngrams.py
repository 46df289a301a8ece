"""Metrics of runs of words or characters that answer and expected answer have in common."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.ngrams import meteor_scores, rouge_l, rouge_n, sentence_bleu, sentence_chrf
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Rouge1(RowMetric):
    """ROUGE-1: words in common, as F1 (Lin, 2004).

    As the package rouge-score has it, without a stemmer.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return rouge_n(answers, expected, 1)


class Rouge2(RowMetric):
    """ROUGE-2: pairs of neighbouring words in common, as F1 (Lin, 2004).

    As the package rouge-score has it, without a stemmer.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return rouge_n(answers, expected, 2)


class RougeL(RowMetric):
    """ROUGE-L: the longest common subsequence of words, as F1 (Lin, 2004).

    As the package rouge-score has it, without a stemmer.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return rouge_l(answers, expected)


class Bleu(RowMetric):
    """BLEU of each answer: runs of one to four words in common, smoothed (Papineni and others, 2002).

    As sacrebleu's `sentence_bleu` has it, divided by 100.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return sentence_bleu(answers, expected)


class Chrf(RowMetric):
    """chrF: runs of one to six characters in common, recall counting twice (Popović, 2015).

    As sacrebleu's `sentence_chrf` has it, divided by 100.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return sentence_chrf(answers, expected)


class Meteor(RowMetric):
    """METEOR by words and stems, no synonyms: words matched, and how well their order is kept (Lavie, Agarwal, 2007).

    As NLTK has it, with a WordNet that knows no synonyms.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return meteor_scores(answers, expected)
