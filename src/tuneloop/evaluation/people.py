"""What people who reviewed think of a candidate, as the gate reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from tuneloop.evaluation.score_files import write_scores
from tuneloop.results import Opinion

NAME_CHARACTERS = 12
"""Reviewed answers name their model by so much of its hash."""

SHARES = {"answer": 1.0, "tie": 0.5, "alternative": 0.0}
"""What the first answer of a comparison has won."""


def people_on(
    ratings: Iterable[Mapping[str, Any]],
    comparisons: Iterable[Mapping[str, Any]] = (),
    *,
    candidate_hash: str,
    reference_hash: str,
    against: Literal["base", "champion"],
    out: Path,
) -> list[Opinion]:
    """`human_rating` of the candidate (mean of 1 to 5 per item) and `human_preference`, written to `out`.

    The preference is that of people who saw both answers side by side, without knowing the models; and on other items,
    where people rated the answers of both, that of the better rating. Empty while nobody has judged the candidate.

    Args:
        ratings: rows of a review's ratings.jsonl: item_id, model, rating, weight (of the reviewer; 1 if missing).
        comparisons: rows of its comparisons.jsonl: item_id, model, alternative_model, preferred, weight.
        candidate_hash: hash of the candidate's artefact.
        reference_hash: of the model it is compared with.
        against: what that model is.
        out: folder for the opinions' files.
    """
    names = candidate_hash[:NAME_CHARACTERS], reference_hash[:NAME_CHARACTERS]
    ratings = list(ratings)
    by_model = _ratings(ratings)
    ours, theirs = (by_model.get(name, {}) for name in names)
    side_by_side = _votes(comparisons, *names)
    rated_both = {item: _compared(ours[item], theirs[item]) for item in sorted(ours) if item in theirs}
    preferred = rated_both | side_by_side
    found = []
    if ours:
        scores = {item: (ours[item], theirs.get(item)) for item in sorted(ours)}
        found.append(_opinion("human_rating", against, out, scores, _rated_text(ratings, names[0], len(ours))))
    if preferred:
        shares: dict[str, tuple[float, float | None]] = {i: (p, 1 - p) for i, p in sorted(preferred.items())}
        text = f"people preferred one of {len(shares)} pairs of answers or neither, {len(side_by_side)} side by side"
        found.append(_opinion("human_preference", against, out, shares, text))
    return found


def _ratings(ratings: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Model -> item -> mean rating by all who rated it, each by their weight."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in ratings:
        found[row["model"]][row["item_id"]].append((float(row["rating"]), float(row.get("weight", 1.0))))
    means = {model: {item: _mean(given) for item, given in items.items()} for model, items in found.items()}
    return {model: {item: mean for item, mean in items.items() if mean is not None} for model, items in means.items()}


def _mean(given: Iterable[tuple[float, float]]) -> float | None:
    given = list(given)
    total = sum(weight for _, weight in given)
    return sum(value * weight for value, weight in given) / total if total else None


def _votes(comparisons: Iterable[Mapping[str, Any]], candidate: str, reference: str) -> dict[str, float]:
    """Item -> 1 where the candidate's answer won, 0 where it lost, 0.5 for neither."""
    given: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in comparisons:
        share = SHARES[row["preferred"]]
        if (row["model"], row["alternative_model"]) == (candidate, reference):
            given[row["item_id"]].append((share, float(row.get("weight", 1.0))))
        elif (row["model"], row["alternative_model"]) == (reference, candidate):
            given[row["item_id"]].append((1 - share, float(row.get("weight", 1.0))))
    means = {item: _mean(votes) for item, votes in given.items()}
    return {item: _compared(mean, 0.5) for item, mean in means.items() if mean is not None}


def _compared(ours: float, theirs: float) -> float:
    return 0.5 if ours == theirs else float(ours > theirs)


def _rated_text(ratings: Iterable[Mapping[str, Any]], model: str, items: int) -> str:
    """A mean over answers that were picked because they looked weak says little about the others."""
    ours = [row for row in ratings if row["model"] == model]
    drawn = {row["item_id"] for row in ours if (row.get("kind"), row.get("chosen_by")) == ("answers", "random")}
    return f"people rated {items} answers, {len(drawn)} of them drawn at random"


def _opinion(
    metric: Literal["human_rating", "human_preference"],
    against: Literal["base", "champion"],
    out: Path,
    scores: Mapping[str, tuple[float, float | None]],
    text: str,
) -> Opinion:
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = out / f"{metric}-{against}.parquet"
    items = list(scores)
    ours, theirs = (pd.Series([scores[i][side] for i in items], dtype=float) for side in (0, 1))
    write_scores(file, pd.DataFrame({"id": items, "cluster": items, "score": ours, "score_reference": theirs}))
    return Opinion(metric=metric, against=against, file=str(file), text=text)
