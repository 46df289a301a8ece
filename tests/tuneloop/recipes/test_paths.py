from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tuneloop.errors import RecipeError
from tuneloop.recipes import Recipe, readable_recipe, require_readable
from tuneloop.recipes.paths import paths_of

SECRETS = (
    "stack.json",
    ".stack.json.4711",
    "stack.lock",
    "signing.key",
    ".signing.key.4711.new",
    "pseudonyms.key",
    "prefect/prefect.db",
    "mlflow/mlflow.db-wal",
    "mlflow/anything",
    "argilla/argilla.db",
    "run/supervisord.conf",
    "logs/argilla.log",
    "tmp/env.json",
    "models/search/study.sqlite3",
)
OF_THE_LOOP = (
    "traffic/desk.jsonl",
    "feedback/desk/accepted.jsonl",
    "data/4711/train.jsonl",
    "traffic/a.keyboard.jsonl",
    "models/desk/1/model",
)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "project" / ".tuneloop"
    for name in (*SECRETS, *OF_THE_LOOP):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("secret")
    return folder


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"name": "a", "data": {"sources": []}, "model": {"base": "org/x"}, **changes})


def reading(path: str, **source: Any) -> Recipe:
    return recipe(data={"sources": [{"name": "s", "path": path, **source}]})


def check(found: Recipe, workspace: Path) -> None:
    require_readable(found, root=workspace.parent, workspace=workspace)


@pytest.mark.parametrize("secret", SECRETS)
def test_no_source_is_one_of_the_workspaces_own_secrets(workspace, secret):
    for path in (f".tuneloop/{secret}", f"workspace:{secret}", f"data/../.tuneloop/{secret}", str(workspace / secret)):
        with pytest.raises(RecipeError, match=r"data\.sources\.0\.path: .* the workspace's own"):
            check(reading(path), workspace)


@pytest.mark.parametrize("file", OF_THE_LOOP)
def test_what_the_loop_writes_for_recipes_may_be_read(workspace, file):
    check(reading(f"workspace:{file}"), workspace)


def test_any_other_file_of_the_owner_may_be_read(workspace, tmp_path):
    (tmp_path / "elsewhere.jsonl").write_text("{}")
    check(reading(str(tmp_path / "elsewhere.jsonl")), workspace)
    check(reading("stack.json"), workspace)  # of the project, not of the workspace


def test_a_link_to_a_secret_is_the_secret(workspace):
    root = workspace.parent
    (root / "rows.jsonl").symlink_to(workspace / "stack.json")
    (root / "keys").symlink_to(workspace)
    os.link(workspace / "signing.key", root / "hard.jsonl")
    os.link(workspace / "prefect/prefect.db", root / "hard.parquet")
    for path in ("rows.jsonl", "keys/stack.json", "hard.jsonl", "hard.parquet"):
        with pytest.raises(RecipeError, match="own"):
            check(reading(path), workspace)


def test_a_file_with_two_names_that_is_no_secret_may_be_read(workspace):
    (workspace.parent / "a.jsonl").write_text("{}")
    os.link(workspace.parent / "a.jsonl", workspace.parent / "b.jsonl")
    check(reading("b.jsonl"), workspace)


def test_a_folder_that_holds_a_secret_or_a_link_to_one_is_refused(workspace):
    model = workspace.parent / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    check(recipe(model={"base": str(model)}), workspace)
    (model / "tokenizer.json").symlink_to(workspace / "stack.json")
    for base in (model, workspace, workspace.parent):
        with pytest.raises(RecipeError, match=r"model\.base"):
            check(recipe(model={"base": str(base)}), workspace)


def test_the_environment_of_a_process_is_no_source(workspace):
    """It holds the logins that the worker was given."""
    with pytest.raises(RecipeError, match="own"):
        check(reading("/proc/self/environ", format="csv"), workspace)


def test_links_in_a_circle_are_refused(workspace):
    (workspace.parent / "a").symlink_to("b")
    (workspace.parent / "b").symlink_to("a")
    with pytest.raises(RecipeError, match="own"):
        check(reading("a"), workspace)


def test_a_split_behind_a_sign_hides_nothing(workspace):
    with pytest.raises(RecipeError, match="own"):
        check(reading(".tuneloop/prefect#train"), workspace)


def test_every_other_path_of_a_recipe_is_looked_at_too(workspace):
    secret = ".tuneloop/stack.json"
    (workspace.parent / "metric.py").symlink_to(workspace / "signing.key")
    asked = {
        "data.answer.json_schema": {"data": {"sources": [], "answer": {"json_schema": secret}}},
        "data.augmentation.templates": {
            "data": {"sources": [], "augmentation": {"methods": ["templates"], "templates": secret}}
        },
        "model.base": {"model": {"base": str(workspace / "mlflow")}},
        "evaluation.metrics.1": {"evaluation": {"metrics": ["rouge_l", "metric.py"]}},
        "evaluation.forgetting.items": {"evaluation": {"forgetting": {"items": secret}}},
        "evaluation.red_team.items": {"evaluation": {"red_team": {"items": secret}}},
        "evaluation.bias_pairs.items": {"evaluation": {"bias_pairs": {"items": secret}}},
        "evaluation.lm_eval_files": {"evaluation": {"lm_eval_files": ".tuneloop/run"}},
        "evaluation.judge.model": {"evaluation": {"judge": {"model": str(workspace / "argilla")}}},
        "review.prompts": {"review": {"prompts": secret}},
        "review.guidelines": {"review": {"guidelines": secret}},
        "review.gold": {"review": {"gold": secret}},
    }
    for key, changes in asked.items():
        with pytest.raises(RecipeError, match=f"^{key}: "):
            check(recipe(**changes), workspace)


NO_PATHS = {
    "name", "description", "data.sources.name", "data.sources.columns", "data.answer.required_keys",
    "data.answer.labels", "data.checks.pii_allowed", "data.checks.languages", "data.checks.severity",
    "data.slices", "data.balance.by", "data.split_salt", "model.revision", "model.system_prompt", "model.licence",
    "model.licences", "training.target_modules", "training.optimizer", "search.target_modules",
    "evaluation.rules.metric", "evaluation.rules.slice", "evaluation.terms.required", "evaluation.terms.forbidden",
    "evaluation.slices", "evaluation.lm_eval_tasks", "evaluation.judge.endpoint",
    "evaluation.judge.api_key_variable", "evaluation.judge.criteria", "review.score", "review.issue_tags",
    "review.team", "review.annotators", "review.adjudication.adjudicators", "review.sampling",
}  # fmt: skip
"""Texts of a recipe that no file is opened by. A new one belongs here or into `paths_of`."""


def test_no_text_of_a_recipe_is_forgotten():
    every = recipe(
        data={
            "sources": [{"name": "s", "path": "p"}],
            "answer": {"json_schema": "p"},
            "augmentation": {"methods": ["templates"], "templates": "p"},
        },
        evaluation={"metrics": ["m.py"], "lm_eval_files": "p", "judge": {"model": "p"}}
        | {name: {"items": "p"} for name in ("forgetting", "red_team", "bias_pairs")},
        review=dict.fromkeys(("prompts", "guidelines", "gold"), "p"),
    )
    looked_at = {
        ".".join(part for part in key.split(".") if not part.isdigit())
        for key, _ in paths_of(every, root=Path(), workspace=Path())
    }
    assert set(texts_of(Recipe)) - NO_PATHS == looked_at


def texts_of(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Keys of a section, and of those within it, that take any text."""
    for name, field in section.model_fields.items():
        inner = sections_in(field.annotation)
        if inner:
            for kind in inner:
                yield from texts_of(kind, f"{prefix}{name}.")
        elif "str" in str(field.annotation):
            yield f"{prefix}{name}"


def sections_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in getattr(annotation, "__args__", ()) for kind in sections_in(part)]


def test_a_recipe_that_is_a_secret_itself_is_not_read(workspace):
    (workspace / "stack.json").write_text("password: s3cret: [")  # what YAML cannot parse, it quotes
    with pytest.raises(RecipeError, match="no recipe") as refused:
        readable_recipe(workspace / "stack.json", root=workspace.parent, workspace=workspace)
    assert "s3cret" not in str(refused.value)
