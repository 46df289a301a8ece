"""From judgements to files: training rows, pairs, thumbs, evidence for the gate. Which kind gives what is decided here.

| kind | corrections | preferences | thumbs | ratings | comparisons | row verdicts | triage |
|---|---|---|---|---|---|---|---|
| answers, drifted_slice | yes | yes | yes | yes | | | |
| preference | yes | yes | | | yes | | |
| data_sample | | | | | | yes | |
| red_team | | | | | | | yes |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from tuneloop.review.evidence import comparisons_of, conflicts_of, ratings_of, row_verdicts_of, triage_of
from tuneloop.review.judging import Judgement
from tuneloop.review.learned_rows import corrections_of, preferences_of, thumbs_of
from tuneloop.review.provenance import Row

CORRECTIONS = "corrections.jsonl"
PREFERENCES = "preferences.jsonl"
THUMBS = "thumbs.jsonl"
RATINGS = "ratings.jsonl"
COMPARISONS = "comparisons.jsonl"
ROW_VERDICTS = "row_verdicts.jsonl"
TRIAGE = "triage.jsonl"
CONFLICTS = "conflicts.jsonl"

DERIVED = (CORRECTIONS, PREFERENCES, THUMBS, RATINGS, COMPARISONS, ROW_VERDICTS, TRIAGE)
LEARNED = (CORRECTIONS, PREFERENCES, THUMBS)
"""What models are trained on."""


def derive(judgements: Sequence[Judgement], weights: Mapping[str, float]) -> dict[str, list[Row]]:
    """File name -> rows. The same judgements always give the same files."""
    makers: dict[str, Callable[[Judgement], Iterator[Row]]] = {
        CORRECTIONS: corrections_of,
        PREFERENCES: preferences_of,
        THUMBS: thumbs_of,
        RATINGS: lambda judgement: ratings_of(judgement, weights),
        COMPARISONS: lambda judgement: comparisons_of(judgement, weights),
        ROW_VERDICTS: row_verdicts_of,
        TRIAGE: triage_of,
        CONFLICTS: conflicts_of,
    }
    return {name: [row for judgement in judgements for row in make(judgement)] for name, make in makers.items()}
