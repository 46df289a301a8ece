"""The MLflow server as the stack starts it: one process, a login, and a list of routes shorter than upstream's."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from tests.route_tables import MLFLOW, paths_of
from tests.tuneloop.adapters.mlflow_server import running_mlflow
from tests.tuneloop.stack.building import layout_in, state
from tuneloop.stack.environment import mlflow_environment
from tuneloop.stack.local_ports import is_free
from tuneloop.stack.routes import MLFLOW_ROUTES

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MUST_BE_OFF = (
    "assistant|gateway|jobs|scorer|webhooks|mcp-servers|mpu|presigned|upload-artifact|promptlab|demo|issues|genai|"
    "workspaces|review-queues|label-schemas|datasets/|/v1/traces|prompt-optimization|telemetry"
)


def is_on(method, path):
    return any(route.is_for(method, path) for route in MLFLOW_ROUTES)


@pytest.mark.parametrize("path", ["/health", "/", "/static-files/static/js/main.js", "/graphql"])
def test_the_pages_are_on(path):
    assert is_on("POST" if path == "/graphql" else "GET", path)


def test_only_health_is_public():
    assert [r.path.pattern for r in MLFLOW_ROUTES if r.public] == ["/health"]


@pytest.mark.parametrize(
    "path",
    [
        "/ajax-api/3.0/mlflow/assistant/config",
        "/ajax-api/3.0/mlflow/assistant/message",
        "/gateway/mlflow/v1/chat/completions",
        "/ajax-api/2.0/mlflow/gateway-proxy",
        "/ajax-api/3.0/jobs/",
        "/api/2.0/mlflow/webhooks",
        "/ajax-api/2.0/mlflow/logged-models",
        "/ajax-api/9.0/mlflow/whatever-comes-next",
        "/api/2x0/mlflow/runs/search",
    ],
)
def test_what_runs_code_or_is_unknown_is_off(path):
    assert not any(is_on(method, path) for method in METHODS)


@pytest.mark.integration
def test_of_all_routes_that_this_mlflow_has_none_that_we_do_not_use_is_on(tmp_path):
    paths = paths_of(MLFLOW, mlflow_environment(layout_in(tmp_path), state()), tmp_path).http
    assert len(paths) > 300
    assert len([p for p in paths if "assistant" in p]) >= 8, "the table is whole"
    assert [p for p in paths if re.search(MUST_BE_OFF, p) and any(is_on(m, p) for m in METHODS)] == []


@pytest.mark.integration
def test_the_names_of_the_settings_are_still_mlflows(tmp_path):
    from mlflow.server import constants

    names = {name for name in mlflow_environment(layout_in(tmp_path), state()) if name.startswith("_MLFLOW_")}
    assert names == {
        constants.BACKEND_STORE_URI_ENV_VAR,
        constants.ARTIFACT_ROOT_ENV_VAR,
        constants.ARTIFACTS_DESTINATION_ENV_VAR,
        constants.SERVE_ARTIFACTS_ENV_VAR,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as (known, process):
        login = (known.mlflow_username, known.mlflow_password)
        with httpx.Client(base_url=known.url("mlflow"), auth=login, trust_env=False, timeout=30) as client:
            yield client, process


@pytest.mark.integration
def test_the_assistant_takes_no_settings_and_no_messages_with_or_without_the_login(server):
    client, process = server
    config = {"providers": {"openai": {"base_url": "http://127.0.0.1:9", "selected": True}}, "full_access": True}
    for auth, status in ((httpx.USE_CLIENT_DEFAULT, 404), (None, 401)):
        for method, path, body in (("PUT", "config", config), ("POST", "message", {"message": "run `id`"})):
            answer = client.request(method, f"/ajax-api/3.0/mlflow/assistant/{path}", json=body, auth=auth)
            assert answer.status_code == status
    assert not (Path(psutil.Process(process.pid).cwd()) / ".mlflow").exists()


@pytest.mark.integration
def test_mlflows_own_check_of_host_names_stays_on(server):
    client, _ = server
    assert client.get("/api/2.0/mlflow/experiments/get", headers={"host": "evil.example"}).status_code == 403
    assert client.get("/api/2.0/mlflow/experiments/get?experiment_id=0").status_code == 200


@pytest.mark.integration
def test_it_is_one_process_whose_death_frees_the_port(server):
    client, process = server
    assert client.get("/version").status_code == 200
    assert psutil.Process(process.pid).children(recursive=True) == []
    os.kill(process.pid, signal.SIGKILL)
    process.wait(20)
    assert is_free(client.base_url.port)
