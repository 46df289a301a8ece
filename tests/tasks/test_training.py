"""What is served of a run, as the flows ask for it."""

from __future__ import annotations

from pathlib import Path

from tasks.training import _served_key, served_of
from tests.tuneloop.reports.examples import make_round
from tuneloop.recipes import load_recipe

RECIPE = load_recipe(Path(__file__).parents[2] / "deployments" / "recipes" / "support-desk.yaml")


def recipe_serving(artefact):
    return RECIPE.model_copy(update={"evaluation": RECIPE.evaluation.model_copy(update={"artefact": artefact})})


def test_a_merged_model_is_served_without_a_step_of_its_own():
    training = make_round(1).training
    assert served_of(recipe_serving("merged"), training) == (training.model, training.model_hash)


def test_a_file_is_made_anew_for_another_model_or_precision_and_else_kept():
    training = make_round(1).training
    other = training.model_copy(update={"model_hash": "f" * 64})
    keys = [
        _served_key(None, {"recipe": recipe_serving(artefact), "training": model})
        for artefact, model in (("gguf-f16", training), ("gguf-q8_0", training), ("gguf-q8_0", other))
    ]
    assert len(set(keys)) == len(keys)
    same = {"recipe": recipe_serving("gguf-f16"), "training": training.model_copy(update={"steps": 9})}
    assert _served_key(None, same) == keys[0]
