from __future__ import annotations

import os

import pytest

from tuneloop.cli.registered_models import STACK_VARIABLES, recipe_named, registry_of, this_person
from tuneloop.errors import ServiceError
from tuneloop.settings import Settings
from tuneloop.stack.state import new_state, save_state


@pytest.fixture
def settings(tmp_path, monkeypatch):
    for name in ("TUNELOOP_MLFLOW_URL", *STACK_VARIABLES):
        monkeypatch.setenv(name, "")  # set first, so that whatever the code sets is undone after the test
        monkeypatch.delenv(name)
    return Settings(root=tmp_path)


def test_the_registry_is_that_of_the_stack_which_has_to_be_there(settings):
    with pytest.raises(ServiceError, match="tuneloop up"):
        registry_of(settings)
    settings.workspace_path.mkdir()
    ports = {"prefect": 1, "mlflow": 9, "argilla": 2, "argilla-valkey": 3}
    state = new_state().with_ports(ports)
    save_state(settings.workspace_path / "stack.json", state)
    assert registry_of(settings)._url == "http://127.0.0.1:9"
    assert "127.0.0.1" in os.environ["NO_PROXY"]
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == state.mlflow_username
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == state.mlflow_password


def test_an_mlflow_of_ones_own_gets_the_login_of_ones_own(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "mine")
    own = settings.model_copy(update={"mlflow_url": "https://mlflow.example"})
    assert registry_of(own)._url == "https://mlflow.example"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "mine"


def test_the_person_is_named_by_the_variable_or_is_the_user_of_this_machine(monkeypatch):
    monkeypatch.setenv("TUNELOOP_USER", "Ada")
    assert this_person() == "Ada"
    monkeypatch.delenv("TUNELOOP_USER")
    monkeypatch.setenv("LOGNAME", "grace")
    assert this_person() == "grace"


def test_a_recipe_is_named_by_name_or_file_and_the_only_one_need_not_be(tmp_path):
    file = tmp_path / "any.yaml"
    file.write_text("name: shop\ndata: {sources: [{name: rows, path: rows.jsonl}]}\nmodel: {base: tiny}\n")
    assert recipe_named("desk", tmp_path) == "desk"
    assert recipe_named(str(file), tmp_path) == "shop"
    (tmp_path / "rounds/only").mkdir(parents=True)
    assert recipe_named(None, tmp_path) == "only"
