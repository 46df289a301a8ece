"""Which prompts may go before people, and what is wrong with a recipe's review files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuneloop.drift.traffic import TrafficRow, append
from tuneloop.errors import DataError, RecipeError
from tuneloop.recipes import Recipe
from tuneloop.workflows.review_sets.items import ReviewSetup
from tuneloop.workflows.review_sets.prompts import check_review, scrubbed, unlike_tests, waiting_prompts

PERSONAL = "Write to ann.baker@example.com about the lamp"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def recipe(checks: dict[str, Any] | None = None, **review: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "desk",
            "data": {
                "sources": [{"name": "rows", "path": "rows.jsonl"}],
                "checks": {"person_names": False} | (checks or {}),
            },
            "model": {"base": "tiny"},
            "review": review,
        }
    )


def test_under_quarantine_a_prompt_with_personal_data_is_shown_to_nobody(root: Path) -> None:
    assert scrubbed(recipe(), ["Where is it?", PERSONAL], root) == ["Where is it?"]


def test_under_other_policies_it_is_shown_without_the_personal_data(root: Path) -> None:
    assert scrubbed(recipe({"pii_policy": "redact"}), [PERSONAL], root) == ["Write to <email> about the lamp"]
    (pseudonymised,) = scrubbed(recipe({"pii_policy": "pseudonymise"}), [PERSONAL], root)
    assert pseudonymised.startswith("Write to <email-")


def test_what_the_recipe_allows_stays(root: Path) -> None:
    assert scrubbed(recipe({"pii_allowed": ["email"]}), [PERSONAL], root) == [PERSONAL]


def test_a_prompt_comes_once_and_empty_ones_and_half_signs_do_no_harm(root: Path) -> None:
    assert scrubbed(recipe(), ["A  lamp", "a lamp", " ", "half \ud800"], root) == ["A  lamp", "half ?"]


def test_the_newest_traffic_comes_first_and_what_was_edited_is_known_already(root: Path) -> None:
    rows = [TrafficRow(str(n), "2026", f"traffic {n}", "", "m", sent="x" if n == 1 else None) for n in range(3)]
    append(root / "workspace" / "traffic" / "desk.jsonl", rows)
    (root / "new.jsonl").write_text(json.dumps({"prompt": "from the list"}) + "\n")
    setup = ReviewSetup(recipe(prompts="new.jsonl"), root, root / "workspace", None, FirstWords())
    assert waiting_prompts(setup) == ["traffic 2", "traffic 0", "from the list"]


class FirstWords:
    """Texts with the same first word mean the same."""

    def embed(self, texts):  # type: ignore[no-untyped-def]
        words = ("refund", "parcel", "lamp")
        rows = [[float(text.startswith(word)) for word in words] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), len(words))


def test_what_says_the_same_as_a_test_row_is_left_out_where_the_recipe_has_a_limit_for_it() -> None:
    prompts, tested = ["Refund, please", "Lamp broken"], ["refund me now"]
    assert unlike_tests(recipe(), prompts, tested, FirstWords()) == prompts
    assert unlike_tests(recipe({"same_meaning_cosine": 0.9}), prompts, tested, FirstWords()) == ["Lamp broken"]
    assert unlike_tests(recipe({"same_meaning_cosine": 0.9}), prompts, [], FirstWords()) == prompts


@pytest.mark.parametrize(
    ("review", "error", "said"),
    [
        ({"prompts": "none.jsonl"}, DataError, r"review\.prompts"),
        ({"prompts": "broken.jsonl"}, DataError, "line 2"),
        ({"guidelines": "none.md"}, DataError, r"review\.guidelines"),
        ({"gold": "none.jsonl"}, DataError, r"review\.gold"),
        ({"score": "rouge_l"}, RecipeError, "compares with an expected answer"),
        ({"score": "nonsense"}, RecipeError, "no metric"),
    ],
)
def test_a_review_that_cannot_work_is_refused_before_anything_is_trained(
    root: Path, review: dict[str, Any], error: type[Exception], said: str
) -> None:
    (root / "broken.jsonl").write_text('{"prompt": "fine"}\n{"question": "not so"}\n')
    with pytest.raises(error, match=said):
        check_review(recipe(**review), root)
    check_review(recipe(**review, enabled=False), root)


def test_a_review_that_works_is_let_through(root: Path) -> None:
    (root / "new.jsonl").write_text('{"prompt": "fine"}\n')
    check_review(recipe(prompts="new.jsonl", score="valid_json"), root)
