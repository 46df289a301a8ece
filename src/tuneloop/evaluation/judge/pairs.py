"""Pairs of answers that a judge is asked about, and those that reviewers have judged."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from tuneloop.errors import DataError
from tuneloop.records import content_hash
from tuneloop.results import EvaluationReport


@dataclass(frozen=True, slots=True)
class Pair:
    """What a judge sees of a row: the prompt as plain text, the candidate's answer and the reference's.

    `cluster` names the near-relatives that the row belongs to.
    """

    id: str
    cluster: str
    prompt: str
    candidate: str
    reference: str


def read_pairs(candidate: EvaluationReport, reference: EvaluationReport, *, max_rows: int | None) -> list[Pair]:
    """The answers of two models to the rows that both were tested on, ordered by the hash of their ids.

    `max_rows` takes the first of them: a sample that stays what it is when rows are added.

    Raises:
        DataError: a file of a report is gone or torn, or no row has the same prompt in both reports.
    """
    ours, theirs = _answers(Path(candidate.answers)), _answers(Path(reference.answers))
    clusters = _clusters(Path(candidate.scores))
    # Placeholders for personal data are made anew in each data version: an id alone does not promise the same prompt.
    shared = sorted((i for i in ours if i in theirs and ours[i][0] == theirs[i][0]), key=content_hash)
    if not shared:
        raise DataError("the two models were not tested on the same rows; evaluate both on one data version")
    return [Pair(i, clusters.get(i, i), *ours[i], theirs[i][1]) for i in shared[:max_rows]]


def _answers(file: Path) -> Mapping[str, tuple[str, str]]:
    """Row id -> (prompt, answer)."""
    try:
        lines = file.read_bytes().split(b"\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        return {str(row["id"]): (row["prompt"], row["answer"]) for row in rows}
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} cannot be read ({type(error).__name__}); evaluate the model again") from error


def _clusters(file: Path) -> Mapping[str, str]:
    from pyarrow import ArrowException, parquet

    try:
        table = parquet.read_table(file, columns=["id", "cluster"])
    except (OSError, ArrowException) as error:
        raise DataError(f"{file} cannot be read ({type(error).__name__}); evaluate the model again") from error
    return dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))


FLAG = "flag:"
"""Issues that start so forbid any use of a row: it may hold personal data, and the judge may be far away."""

SIDES = {"answer": 1.0, "tie": 0.0, "alternative": -1.0}


@dataclass(frozen=True, slots=True)
class HumanPair:
    """Two answers and what people thought of them: 1 the pair's `candidate` is better, 0.5 tie, 0 its `reference`.

    Which answer stands as candidate is drawn by hash: if people's choice were always the candidate, a judge that
    always says so would agree with everybody, and there would be no agreement beyond chance to be measured.
    """

    pair: Pair
    preferred: float


def human_pairs(
    preferences: Iterable[Mapping[str, Any]],
    ratings: Iterable[Mapping[str, Any]],
    comparisons: Iterable[Mapping[str, Any]] = (),
    *,
    clusters: Mapping[str, str] | None = None,
) -> list[HumanPair]:
    """Pairs from the rows of a review's `preferences.jsonl`, `ratings.jsonl` and `comparisons.jsonl`, ordered by the
    hash of their ids.

    Args:
        preferences: `prompt`, `chosen`, `rejected`: a correction is better than what it corrects.
        ratings: `prompt`, `answer`, `rating`, `reviewer`, `issues`: two different answers to one prompt are compared by
            what the same people gave them, as people differ in how strict they are.
        comparisons: `prompt`, `answer`, `alternative`, `preferred`, `weight`: what people said of two answers side by
            side, ties as well.
        clusters: prompt -> name of the near-relatives it belongs to; by default each prompt stands alone.
    """
    rated, compared = list(ratings), list(comparisons)
    flagged = {row["prompt"] for row in (*rated, *compared) if _is_flagged(row)}
    chosen = [((row["prompt"], row["chosen"].strip(), row["rejected"].strip()), 1.0) for row in preferences]
    found = {
        _drawn(*texts, share, clusters or {})
        for texts, share in [*chosen, *_by_rating(rated), *_side_by_side(compared)]
        if texts[0] not in flagged
    }
    return _one_each(sorted(found, key=lambda human: human.pair.id))


def _is_flagged(row: Mapping[str, Any]) -> bool:
    return bool(row.get("flagged")) or any(issue.startswith(FLAG) for issue in row.get("issues", ()))


def _by_rating(ratings: Iterable[Mapping[str, Any]]) -> list[tuple[tuple[str, str, str], float]]:
    """(prompt, one answer, other answer) and the share of the reviewers of both who liked the one better."""
    given: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in ratings:
        given[row["prompt"]][row["answer"].strip()][row["reviewer"]] = float(row["rating"])
    return [
        ((prompt, one, other), _majority([_compared(answers[one][who], answers[other][who]) for who in both]))
        for prompt, answers in given.items()
        for one, other in combinations(sorted(answers), 2)
        if (both := answers[one].keys() & answers[other].keys())
    ]


def _side_by_side(comparisons: Iterable[Mapping[str, Any]]) -> list[tuple[tuple[str, str, str], float]]:
    """(prompt, one answer, other answer) and what the weight of people's votes comes to; an empty answer is no text to
    compare."""
    balance: dict[tuple[str, str, str], float] = defaultdict(float)
    for row in comparisons:
        texts = row["prompt"], row["answer"].strip(), row["alternative"].strip()
        if texts[1] and texts[2] and texts[1] != texts[2]:
            balance[texts] += SIDES[row["preferred"]] * float(row.get("weight", 1.0))
    return [(texts, _compared(votes, 0.0)) for texts, votes in balance.items()]


def _compared(one: float, other: float) -> float:
    return 0.5 if one == other else float(one > other)


def _majority(shares: Sequence[float]) -> float:
    return _compared(fmean(shares), 0.5)


def _drawn(prompt: str, one: str, other: str, share: float, clusters: Mapping[str, str]) -> HumanPair:
    """`share` is that of `one`."""
    name = content_hash([prompt, sorted([one, other])])
    if content_hash([name, one]) < content_hash([name, other]):
        one, other, share = other, one, 1 - share
    return HumanPair(Pair(name, clusters.get(prompt, content_hash(prompt)), prompt, one, other), share)


def _one_each(humans: Sequence[HumanPair]) -> list[HumanPair]:
    """A pair that was judged both ways, by a correction and by ratings, is a tie between them."""
    said: dict[str, list[HumanPair]] = defaultdict(list)
    for human in humans:
        said[human.pair.id].append(human)
    return [HumanPair(same[0].pair, _majority([human.preferred for human in same])) for same in said.values()]
