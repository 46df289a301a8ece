"""What people who reviewed think of a candidate, as the gate reads it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from tuneloop.evaluation.score_files import write_scores
from tuneloop.results import Opinion

NAME_CHARACTERS = 12
"""Reviewed answers name their model by so much of its hash."""


def people_on(
    responses: Iterable[Mapping[str, Any]],
    *,
    candidate_hash: str,
    reference_hash: str,
    against: Literal["base", "champion"],
    out: Path,
) -> list[Opinion]:
    """`human_rating` of the candidate (mean of 1 to 5 per item) and, on items where people rated both models' answers,
    `human_preference`; written to `out`. Empty while nobody has rated the candidate.

    Args:
        responses: rows of the review ledger: item_id, model, rating.
        candidate_hash: hash of the candidate's artefact.
        reference_hash: of the model it is compared with.
        against: what that model is.
        out: folder for the opinions' files.
    """
    ratings = _ratings(responses)
    ours = ratings.get(candidate_hash[:NAME_CHARACTERS], {})
    theirs = ratings.get(reference_hash[:NAME_CHARACTERS], {})
    if not ours:
        return []
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    rated = _opinion("human_rating", against, out, {item: (ours[item], theirs.get(item)) for item in sorted(ours)})
    both = {item: (ours[item], theirs[item]) for item in sorted(ours) if item in theirs}
    if not both:
        return [rated]
    preferred = {item: _preferred(*pair) for item, pair in both.items()}
    return [rated, _opinion("human_preference", against, out, {i: (p, 1 - p) for i, p in preferred.items()})]


def _ratings(responses: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Model -> item -> mean rating by all who rated it."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row in responses:
        if row.get("rating") is not None:
            found[row["model"]][row["item_id"]].append(int(row["rating"]))
    return {model: {item: fmean(given) for item, given in items.items()} for model, items in found.items()}


def _preferred(ours: float, theirs: float) -> float:
    return 0.5 if ours == theirs else float(ours > theirs)


def _opinion(
    metric: Literal["human_rating", "human_preference"],
    against: Literal["base", "champion"],
    out: Path,
    scores: Mapping[str, tuple[float, float | None]],
) -> Opinion:
    import pandas as pd

    file = out / f"{metric}-{against}.parquet"
    items = list(scores)
    ours, theirs = (pd.Series([scores[i][side] for i in items], dtype=float) for side in (0, 1))
    write_scores(file, pd.DataFrame({"id": items, "cluster": items, "score": ours, "score_reference": theirs}))
    return Opinion(metric=metric, against=against, file=str(file), text=f"people rated {len(items)} answers")
