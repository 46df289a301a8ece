import os
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.tuneloop.stack.building import layout_in, state
from tuneloop.recipes import Judge
from tuneloop.settings import Settings
from tuneloop.stack.environment import (
    argilla_environment,
    mlflow_environment,
    prefect_server_environment,
    process_environment,
    stack_environment,
    webhooks_environment,
    worker_environment,
)
from tuneloop.stack.services import services
from tuneloop.stack.state import StackState

SECRETS = ("prefect-secret", "argilla-secret", "key-secret", "hook-secret", "mlflow-secret")


def secrets_in(variables):
    return {secret for secret in SECRETS if any(secret in value for value in variables.values())}


def test_clients_find_every_server(tmp_path):
    found = stack_environment(layout_in(tmp_path), state())
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:20001/api"
    assert found["TUNELOOP_MLFLOW_URL"] == "http://127.0.0.1:20002"
    assert found["MLFLOW_TRACKING_USERNAME"] == "tuneloop"
    assert found["MLFLOW_TRACKING_PASSWORD"] == "mlflow-secret"
    assert found["TUNELOOP_ARGILLA_URL"] == "http://127.0.0.1:20003"
    assert found["TUNELOOP_ARGILLA_API_KEY"] == "key-secret"


def test_the_settings_of_a_flow_run_read_what_the_stack_sets(tmp_path):
    layout = layout_in(tmp_path)
    variables = stack_environment(layout, state())
    known = {k.removeprefix("TUNELOOP_").lower() for k in variables if k.startswith("TUNELOOP_")}
    assert known <= set(Settings.model_fields)


def test_nobody_outside_is_told_anything(tmp_path):
    layout = layout_in(tmp_path)
    for variables in (
        stack_environment(layout, state()),
        prefect_server_environment(layout, state()),
        mlflow_environment(layout, state()),
        argilla_environment(state()),
    ):
        assert variables["DO_NOT_TRACK"] == "1"
        assert variables["MLFLOW_DISABLE_TELEMETRY"] == "true"
        assert variables["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"


def test_the_prefect_server_asks_for_a_login_and_csrf_tokens_and_admits_only_its_own_page(tmp_path):
    found = prefect_server_environment(layout_in(tmp_path), state())
    assert found["PREFECT_SERVER_API_AUTH_STRING"] == "tuneloop:prefect-secret"
    assert found["PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED"] == "true"
    assert found["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:20001"
    assert found["PREFECT_SERVER_API_HOST"] == "127.0.0.1"


def test_each_service_gets_only_the_secrets_it_needs(tmp_path):
    layout = layout_in(tmp_path)
    assert secrets_in(prefect_server_environment(layout, state())) == {"prefect-secret"}
    assert secrets_in(mlflow_environment(layout, state())) == {"mlflow-secret"}
    assert secrets_in(argilla_environment(state())) == {"argilla-secret", "key-secret"}
    assert secrets_in(worker_environment(layout, state())) == {"prefect-secret", "key-secret", "mlflow-secret"}
    assert secrets_in(webhooks_environment(layout)) == set()


def test_workers_import_the_project_first(tmp_path):
    layout = layout_in(tmp_path)
    assert worker_environment(layout, state())["PYTHONPATH"] == str(tmp_path)
    assert worker_environment(layout, state(), python_path="/x")["PYTHONPATH"] == f"{tmp_path}{os.pathsep}/x"


def test_the_argilla_server_imports_nothing_from_the_callers_folders():
    assert process_environment({"PYTHONPATH": "/home/me/packages"}, argilla_environment(state()))["PYTHONPATH"] == ""


def test_variables_that_point_at_other_servers_do_not_get_through():
    base = {
        "PREFECT_API_URL": "https://cloud",
        "MLFLOW_TRACKING_URI": "x",
        "_MLFLOW_SERVER_ARTIFACTS_ONLY": "true",
        "ARGILLA_API_KEY": "x",
        "TUNELOOP_SERVICE": "worker-cpu@/w",
        "HF_HOME": "/hf",
        "TUNELOOP_THREADS": "2",
    }
    found = process_environment(base, {"PREFECT_API_URL": "ours"})
    assert {k: v for k, v in found.items() if "proxy" not in k.lower()} == {
        "PREFECT_API_URL": "ours",
        "HF_HOME": "/hf",
        "TUNELOOP_THREADS": "2",
    }


def test_local_traffic_goes_past_the_proxy_and_the_users_exceptions_stay():
    found = process_environment({"NO_PROXY": "intranet"}, {})
    assert found["NO_PROXY"] == found["no_proxy"] == "intranet,127.0.0.1,localhost"


def test_no_recipe_can_have_a_login_of_the_stack_sent_to_a_judge(tmp_path):
    """Whatever variables the services are given: those that hold one of the state's secrets are refused by name."""
    known = state()
    secrets = [str(getattr(known, field.name)) for field in fields(StackState) if not field.repr]
    told = [service.environment for service in services(layout_in(tmp_path), known, Path("argilla"))]
    holding = {name for told_one in told for name, value in told_one.items() if any(s in value for s in secrets if s)}
    assert {"PREFECT_API_AUTH_STRING", "TUNELOOP_ARGILLA_API_KEY", "ARGILLA_OWNER_PASSWORD"} <= holding
    for name in holding:
        with pytest.raises(ValidationError, match="which no judge is given"):
            Judge(model="m", endpoint="http://judge.example/v1", api_key_variable=name)
