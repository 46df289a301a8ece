from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tuneloop.evaluation.people import people_on
from tuneloop.results import Opinion

CANDIDATE, CHAMPION = "c" * 64, "d" * 64


def response(item: int, model: str, rating: int | None) -> dict[str, Any]:
    return {"item_id": f"item-{item}", "model": model[:12], "rating": rating}


def opinions(folder: Path, responses: list[dict[str, Any]]) -> dict[str, Opinion]:
    found = people_on(
        responses, candidate_hash=CANDIDATE, reference_hash=CHAMPION, against="champion", out=folder / "opinions"
    )
    return {opinion.metric: opinion for opinion in found}


def test_ratings_of_one_answer_by_several_people_are_averaged(tmp_path: Path) -> None:
    found = opinions(tmp_path, [response(1, CANDIDATE, 5), response(1, CANDIDATE, 4), response(2, CANDIDATE, 1)])
    assert list(found) == ["human_rating"]
    assert pd.read_parquet(found["human_rating"].file)["score"].tolist() == [4.5, 1.0]


def test_where_both_models_answers_were_rated_the_better_one_is_preferred(tmp_path: Path) -> None:
    ours = [response(i, CANDIDATE, rating) for i, rating in enumerate((5, 3, 2, 4))]
    theirs = [response(i, CHAMPION, rating) for i, rating in enumerate((3, 3, 4))]
    found = opinions(tmp_path, ours + theirs)
    table = pd.read_parquet(found["human_preference"].file)
    assert table["score"].tolist() == [1.0, 0.5, 0.0]
    assert table["score_reference"].tolist() == [0.0, 0.5, 1.0]
    assert pd.read_parquet(found["human_rating"].file)["score_reference"].isna().tolist() == [False, False, False, True]


def test_a_candidate_that_nobody_has_rated_has_no_opinion(tmp_path: Path) -> None:
    assert opinions(tmp_path, [response(1, CHAMPION, 4), response(2, CANDIDATE, None)]) == {}
