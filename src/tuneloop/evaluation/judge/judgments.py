"""Form a judge's judgment of a candidate, as the gate takes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tuneloop.evaluation.judge.agreement import Agreement, measure_agreement
from tuneloop.evaluation.judge.judging import JudgedPairs, judge_pairs
from tuneloop.evaluation.judge.pairs import HumanPair, Pair
from tuneloop.evaluation.score_files import write_scores
from tuneloop.ports import Completer
from tuneloop.results import Opinion


def try_judge(
    judge: Completer,
    humans: Sequence[HumanPair],
    *,
    criteria: str,
    min_kappa: float,
    cache: Path,
    confidence: float = 0.95,
    seed: int = 17,
) -> Agreement:
    """Have the judge decide what people have decided, and measure how far they agree.

    Raises:
        ServiceError: the judge is not there, or refuses us.
    """
    judged = judge_pairs(judge, [human.pair for human in humans], criteria=criteria, cache=cache)
    return measure_agreement(
        judged.scores,
        [human.preferred for human in humans],
        [human.pair.cluster for human in humans],
        min_kappa=min_kappa,
        confidence=confidence,
        seed=seed,
    )


def form_judgment(
    judge: Completer,
    pairs: Sequence[Pair],
    *,
    agreement: Agreement,
    criteria: str,
    against: Literal["base", "champion"],
    cache: Path,
    file: Path,
) -> Opinion:
    """Have the judge compare candidate and reference, and write its scores to the Parquet file `file`.

    Columns: id, cluster, score (the candidate's share: 1 won, 0.5 tie, 0 lost) and score_reference (1 - score).

    Raises:
        ServiceError: the judge is not there, or refuses us.
    """
    judged = judge_pairs(judge, pairs, criteria=criteria, cache=cache)
    _write(file, judged)
    return Opinion(
        metric="judge_preference",
        against=against,
        file=str(file),
        may_count=agreement.may_count,
        text=f"{agreement.text} {_habits(judged)}",
        agreement=agreement.kappa,
    )


def _write(file: Path, judged: JudgedPairs) -> None:
    import pandas as pd

    file.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        "id": [pair.id for pair in judged.pairs],
        "cluster": [pair.cluster for pair in judged.pairs],
        "score": list(judged.scores),
        "score_reference": [1 - score for score in judged.scores],
    }
    write_scores(file, pd.DataFrame(columns))


def _habits(judged: JudgedPairs) -> str:
    """How much of the judging was noise."""
    if not judged.questions:
        return "It had nothing to decide: all answers were the same."
    if judged.consistent is None:
        return f"None of its {judged.questions} answers was a verdict: is it the right model?"
    unread = f"; {judged.unreadable} of its {judged.questions} answers were no verdict" if judged.unreadable else ""
    return f"It gave the same verdict with the answers swapped for {judged.consistent:.0%} of the pairs{unread}."
