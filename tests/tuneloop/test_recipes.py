from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuneloop.errors import RecipeError
from tuneloop.recipes import Judge, Recipe, load_recipe

SHIPPED = sorted((Path(__file__).parents[2] / "deployments/recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_recipe_is_valid(file: Path) -> None:
    recipe = load_recipe(file)
    assert recipe.evaluation.rules, "a recipe without rules would promote anything"


def test_there_are_recipes_for_a_laptop_one_small_and_one_large_gpu() -> None:
    assert {file.stem for file in SHIPPED} >= {"support-desk", "faq", "llama-8b-24gb", "llama-70b-80gb"}


def test_an_unknown_key_is_named_in_the_error(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("{name: x, data: {sources: [{name: a, path: b}]}, model: {base: m, sytem_prompt: hi}}")
    with pytest.raises(RecipeError, match=r"model\.sytem_prompt"):
        load_recipe(file)


def test_a_missing_file_says_where_examples_are(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="deployments/recipes"):
        load_recipe(tmp_path / "none.yaml")


def test_text_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("name: [unclosed")
    with pytest.raises(RecipeError, match="is not YAML"):
        load_recipe(file)


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text("{name: x, data: {sources: [{name: a, path: b}, {name: a, path: c}]}, model: {base: m}}")
    with pytest.raises(RecipeError, match="same name"):
        load_recipe(file)


def with_severity(**severity: str) -> dict[str, object]:
    checks = {"severity": severity}
    return {"name": "a", "data": {"sources": [], "checks": checks}, "model": {"base": "x"}}


def test_an_unknown_reason_is_an_error_that_names_the_known_ones(tmp_path):
    (tmp_path / "r.yaml").write_text(json.dumps(with_severity(lowquality="warn")))
    with pytest.raises(RecipeError, match="no reason lowquality; known are id_not_unique, personal_data"):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("reason", "severity"), [("leakage", "warn"), ("cluster_in_two_splits", "quarantine"), ("id_not_unique", "warn")]
)
def test_no_recipe_weakens_what_a_fair_test_depends_on(reason, severity):
    with pytest.raises(ValueError, match=f"{reason} may not be weaker"):
        Recipe.model_validate(with_severity(**{reason: severity}))
    assert Recipe.model_validate(with_severity(**{reason: "block"})).data.checks.severity == {reason: "block"}


@pytest.mark.parametrize("variable", ["MLFLOW_TRACKING_PASSWORD", "tuneloop_argilla_api_key", " ARGILLA_OWNER_API_KEY"])
def test_a_judge_that_asks_for_a_login_of_the_stack_is_refused_when_the_recipe_is_read(tmp_path, variable):
    judge = {"model": "m", "endpoint": "http://judge.example/v1", "api_key_variable": variable}
    recipe = {"name": "a", "data": {"sources": []}, "model": {"base": "x"}, "evaluation": {"judge": judge}}
    (tmp_path / "r.yaml").write_text(json.dumps(recipe))
    with pytest.raises(RecipeError, match=r"evaluation\.judge\.api_key_variable: .*JUDGE_API_KEY"):
        load_recipe(tmp_path / "r.yaml")


def test_a_judge_with_a_key_of_its_own_is_accepted():
    assert Judge(model="m", endpoint="http://judge.example/v1", api_key_variable="JUDGE_API_KEY").api_key_variable


GOOD = "name: x\ndata: {sources: [{name: a, path: b}]}\nmodel: {base: m}\n"


def problem_of(folder: Path, text: str) -> str:
    (folder / "r.yaml").write_text(text)
    with pytest.raises(RecipeError) as caught:
        load_recipe(folder / "r.yaml")
    return str(caught.value)


def test_a_key_that_stands_twice_is_named_with_both_lines(tmp_path):
    text = GOOD + "training:\n  epochs: 2\n  seed: 1\n  epochs: 3\n"
    assert "line 7, training.epochs: stands twice, first in line 5; keep one" in problem_of(tmp_path, text)


def test_all_problems_are_told_at_once_each_with_its_line(tmp_path):
    said = problem_of(tmp_path, GOOD + "training:\n  epochs: .inf\n  batch_size: 0\n  epoch: 1\n")
    assert "line 5, training.epochs: Input should be a finite number" in said
    assert "line 6, training.batch_size: Input should be greater than 0 (it is 0)" in said
    assert "line 7, training.epoch: there is no such key" in said


def test_a_recipe_may_use_a_few_aliases_and_merges(tmp_path):
    (tmp_path / "r.yaml").write_text(GOOD.replace("path: b}", "path: b}, &c {name: c, path: b}, {<<: *c, name: d}"))
    assert [source.name for source in load_recipe(tmp_path / "r.yaml").data.sources] == ["a", "c", "d"]


@pytest.mark.parametrize(
    "key", ["epochs", "batch_size", "learning_rate", "lora_rank", "weight_decay", "save_every_steps"]
)
def test_numbers_that_no_training_needs_are_refused_in_code_too(key):
    with pytest.raises(ValueError, match=key):
        Recipe.model_validate({"name": "x", "data": {"sources": []}, "model": {"base": "m"}, "training": {key: 10**10}})


def test_a_key_of_the_release_before_is_read_with_a_warning_that_says_what_to_write(caplog):
    content = {
        "name": "tea",
        "data": {"sources": [{"name": "rows", "path": "rows.jsonl"}]},
        "model": {"base": "tiny"},
        "review": {"desk": "files"},
    }
    assert Recipe.model_validate(content).review.backend == "files"
    assert caplog.messages == ["review.desk is called review.backend now: write `backend: files`"]
