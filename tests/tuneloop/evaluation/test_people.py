from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tuneloop.evaluation.people import people_on
from tuneloop.results import Opinion

CANDIDATE, CHAMPION = "c" * 64, "d" * 64


def response(item: int, model: str, rating: int, **more: Any) -> dict[str, Any]:
    return {"item_id": f"item-{item}", "model": model[:12], "rating": rating} | more


def compared(item: int, preferred: str, *, ours_first: bool = True, **more: Any) -> dict[str, Any]:
    models = (CANDIDATE[:12], CHAMPION[:12]) if ours_first else (CHAMPION[:12], CANDIDATE[:12])
    names = {"model": models[0], "alternative_model": models[1]}
    return {"item_id": f"item-{item}", "preferred": preferred} | names | more


def opinions(
    folder: Path, responses: list[dict[str, Any]], comparisons: list[dict[str, Any]] | None = None
) -> dict[str, Opinion]:
    found = people_on(
        responses,
        comparisons or [],
        candidate_hash=CANDIDATE,
        reference_hash=CHAMPION,
        against="champion",
        out=folder / "opinions",
    )
    return {opinion.metric: opinion for opinion in found}


def scores(opinion: Opinion) -> dict[str, float]:
    table = pd.read_parquet(opinion.file)
    return dict(zip(table["id"], table["score"], strict=True))


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
    assert opinions(tmp_path, [response(1, CHAMPION, 4)]) == {}


def test_who_is_trusted_more_counts_more_and_who_is_not_trusted_not_at_all(tmp_path: Path) -> None:
    given = [response(1, CANDIDATE, 5, weight=1.5), response(1, CANDIDATE, 1, weight=0.5)]
    unknown = response(2, CANDIDATE, 1, weight=0.0)
    assert scores(opinions(tmp_path, [*given, unknown])["human_rating"]) == {"item-1": 4.0}


def test_what_people_said_of_two_answers_side_by_side_is_a_preference_whichever_stood_first(tmp_path: Path) -> None:
    given = [
        compared(1, "answer"),
        compared(2, "answer", ours_first=False),
        compared(3, "tie"),
        compared(4, "alternative", weight=1.0),
        compared(4, "answer", weight=1.5),
        compared(5, "answer") | {"model": "somebody else"},
    ]
    found = opinions(tmp_path, [], given)
    assert scores(found["human_preference"]) == {"item-1": 1.0, "item-2": 0.0, "item-3": 0.5, "item-4": 1.0}
    assert list(found) == ["human_preference"]


def test_a_look_side_by_side_tells_more_than_two_ratings(tmp_path: Path) -> None:
    ratings = [response(1, CANDIDATE, 5), response(1, CHAMPION, 4)]
    found = opinions(tmp_path, ratings, [compared(1, "alternative")])
    assert scores(found["human_preference"]) == {"item-1": 0.0}


def test_it_is_said_how_many_of_the_answers_were_drawn_at_random(tmp_path: Path) -> None:
    chosen = [("answers", "random"), ("answers", "low_score"), ("drifted_slice", "random")]
    given = [response(n, CANDIDATE, 5, kind=kind, chosen_by=why) for n, (kind, why) in enumerate(chosen)]
    text = opinions(tmp_path, given)["human_rating"].text
    assert text == "people rated 3 answers, 1 of them drawn at random"
