"""A model that waits for people is promoted once they have spoken, without training it again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.flows.conftest import tiny_recipe
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import Round
from tuneloop.review.collecting import RESPONSES
from tuneloop.review.rows import write_rows

pytestmark = pytest.mark.flow

RULES = [{"metric": "human_rating", "kind": "absolute", "minimum": 3.5}]


@pytest.fixture(scope="module")
def recipe(place: Path) -> str:
    found = tiny_recipe(place) | {"name": "tiny-people"}
    evaluation = {"metrics": ["valid_json"], "max_rows": 4, "max_new_tokens": 4, "rules": RULES, "speed": False}
    found["evaluation"] = evaluation | dict.fromkeys(("forgetting", "red_team", "bias_pairs"))
    (place / "people.yaml").write_text(yaml.safe_dump(found))
    return "people.yaml"


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", "tiny-people")


def rate(place: Path, model_hash: str, rating: int) -> None:
    rows = [
        {"response_id": f"r{i}", "item_id": f"i{i}", "model": model_hash[:12], "rating": rating, "submitted_at": "2026"}
        | {"prompt": f"p{i}", "answer": "a", "correction": None, "issues": [], "review_set": "s", "reviewer": "x"}
        for i in range(20)
    ]
    write_rows(place / "workspace/feedback/tiny-people" / RESPONSES, rows)


def test_a_round_waits_for_people_as_challenger(place: Path, recipe: str) -> None:
    from flows.retraining_cycle import retraining_cycle
    from tasks.registry import champion_of

    retraining_cycle(recipe)
    (round_,) = rounds_of(place)
    assert round_.verdict.decision == "needs_review"
    assert round_.complete
    assert champion_of.fn("tiny-people") is None
    retraining_cycle(recipe)
    assert rounds_of(place) == [round_], "nobody has said anything"


def test_what_people_say_decides_the_round_that_waited(place: Path, recipe: str) -> None:
    from flows.retraining_cycle import retraining_cycle
    from tasks.registry import champion_of

    (waiting,) = rounds_of(place)
    rate(place, waiting.training.model_hash, 5)
    retraining_cycle(recipe)
    (round_,) = rounds_of(place)
    assert round_.verdict.decision == "promote"
    assert round_.training == waiting.training
    assert [o.metric for o in round_.opinions] == ["human_rating"]
    champion = champion_of.fn("tiny-people")
    assert champion is not None
    assert champion["model_hash"] == round_.training.model_hash
