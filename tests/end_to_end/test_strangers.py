"""What somebody without a credential can do to a running stack: nothing but see that it is there.

The ports are those that the stack's processes listen on, the routes those that its servers have, so that one that is
added later is knocked at as well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.end_to_end.test_stack import ROOT, tuneloop
from tests.route_tables import ANY_ID, MLFLOW, PREFECT, Paths, filled, paths_of
from tuneloop.adapters.answer_listener import HEALTH, PATH
from tuneloop.stack.environment import mlflow_environment, prefect_server_environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import marked_processes
from tuneloop.stack.services import POOL_LIMITS
from tuneloop.stack.state import StackState, load_state

pytestmark = pytest.mark.end_to_end

NOBODY = 65534
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REFUSED = {
    "mlflow": {401},  # in front of these two, everything that is not public asks for the login first
    "prefect": {401},
    "argilla": {401, 403, 404, 405},
    "webhooks": {401, 403, 404, 405},
}
USUAL = (
    *("/", "/docs", "/redoc", "/openapi.json", "/api", "/api/", "/api/docs", "/api/redoc", "/api/openapi.json"),
    *("/api/v1/docs", "/api/v1/redoc", "/metrics", "/admin", "/debug", "/login", "/v2", "/v2/", "/graphql", "/static/"),
    *("/.env", "/.git/config", "/stack.json", "/../stack.json", "/%2e%2e/stack.json", "//", "/ws", "/RPC2"),
)


@dataclass(frozen=True)
class Public:
    """What may be answered to everybody, and why."""

    methods: str
    path: str
    why: str

    def is_for(self, method: str, path: str) -> bool:
        return method in self.methods.split() and re.fullmatch(self.path, path) is not None


PUBLIC = {
    "prefect": (
        Public("GET HEAD", "/api/(health|ready)", "says that it is there"),
        Public("GET HEAD", "/(?!(api|docs|redoc|openapi[.]json|v2)(/|$)).*", "the page: asks for the login, see below"),
    ),
    "mlflow": (Public("GET HEAD", "/health", "says that it is there"),),
    "webhooks": (Public("GET HEAD", HEALTH, "says that it is there"),),
    "argilla": (
        Public("GET HEAD", "/api/v1/(status|version)", "says that it is there"),
        Public("GET HEAD", "/api/v1/(settings|oauth2/providers)", "what the login page shows"),
        Public("POST", "/api/v1/token", "the login itself"),
        Public("GET HEAD", "(/api/v1)?/openapi[.]json", "upstream's list of routes, the same everywhere"),
        Public("GET HEAD", "/docs|/api", "lead to a page that is off"),
        Public("GET HEAD", "/(?!api/v1(/|$)).*", "the page and its static files: asks for the login, see below"),
    ),
    "argilla-valkey": (),
}


@dataclass(frozen=True)
class Running:
    layout: Layout
    state: StackState

    def listening(self) -> dict[int, str]:
        """Port -> command of the process of the stack that listens there."""
        found = {}
        for process in marked_processes(self.layout):
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found[connection.laddr.port] = " ".join(process.cmdline())
        return found

    def port(self, name: str) -> int:
        return self.state.ports[name]

    def headers(self) -> dict[str, str]:
        return {"X-Argilla-Api-Key": self.state.argilla_api_key}


@pytest.fixture(scope="module")
def stack() -> Iterator[Running]:
    """A running stack in a folder that everybody may pass: what protects it has to be its own doing."""
    folder = Path(tempfile.mkdtemp(prefix="strangers-"))
    folder.chmod(0o755)
    layout = Layout(ROOT, folder / "ws")
    try:
        started = tuneloop(layout, "up")
        assert started.returncode == 0, started.stdout + started.stderr
        state = load_state(layout.state_file)
        assert state is not None
        yield Running(layout, state)
    finally:
        tuneloop(layout, "down")
        shutil.rmtree(folder)


def as_a_stranger(**wanted: Any) -> Any:
    """What `stranger.py` reports; as another user where the test may become one."""
    other = [str(NOBODY)] if os.getuid() == 0 else []
    done = subprocess.run(
        [sys.executable, "-I", Path(__file__).parent / "stranger.py", *other],
        input=json.dumps(wanted),
        text=True,
        capture_output=True,
        check=False,
        cwd="/",
        env={},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def routes(stack: Running, name: str, folder: Path) -> Paths:
    """All that the service's route table, its OpenAPI document or its own code names."""
    if name == "mlflow":
        return paths_of(MLFLOW, mlflow_environment(stack.layout, stack.state), folder)
    if name == "prefect":
        settings = prefect_server_environment(stack.layout, stack.state) | {"PREFECT_HOME": str(folder)}
        return paths_of(PREFECT, settings, folder)
    if name == "argilla":
        url = f"{stack.state.url('argilla')}/api/v1/openapi.json"
        document = httpx.get(url, headers=stack.headers(), trust_env=False).json()
        return Paths(["/share-your-progress", *(f"/api/v1{filled(path)}" for path in document["paths"])], [])
    return Paths([PATH, HEALTH], []) if name == "webhooks" else Paths([], [])


def links_of_the_page(url: str) -> list[str]:
    """Addresses that the front page names."""
    answer = httpx.get(url, trust_env=False)
    return re.findall(r"""(?:src|href)="(?:\\./)?(/?[\w./-]+)""", answer.text) if answer.is_success else []


def unexpected(stack: Running, name: str, paths: list[str]) -> list[tuple[str, str, int]]:
    """(method, path, status) of what a stranger was not refused and is not public."""
    questions = [(stack.port(name), method, path) for path in paths for method in METHODS]
    answers = as_a_stranger(ask=questions)["answers"]
    asked = [(method, path, answer[0]) for (_, method, path), answer in zip(questions, answers, strict=True)]
    return [
        (method, path, status)
        for method, path, status in asked
        if status not in REFUSED[name] and not any(p.is_for(method, path) for p in PUBLIC[name])
    ]


def test_every_port_of_the_stack_is_one_that_is_knocked_at_here(stack: Running) -> None:
    names = {stack.port(name): name for name in stack.state.ports}
    found = {names.get(port, command) for port, command in stack.listening().items()}
    assert {name for name in found if " prefect worker start " not in name} == set(PUBLIC)


def test_workers_talk_to_nobody_but_their_flow_runs(stack: Running) -> None:
    """Each has a control channel; a flow run gets a token that works once."""
    ports = [port for port, command in stack.listening().items() if " prefect worker start " in command]
    assert len(ports) <= len(POOL_LIMITS)
    for port in ports:
        for first in (b"0" * 32 + b"\n", b"\n", b"a", b"x" * 2**20, b"GET / HTTP/1.1\r\n\r\n", b""):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                with suppress(OSError):  # it may hang up while we are still talking
                    client.sendall(first)
                assert _answer(client) == b""


def _answer(client: socket.socket) -> bytes:
    """What is said before the connection is closed; an error where it is not."""
    try:
        return client.recv(1000)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(("name", "at_least"), [("prefect", 150), ("mlflow", 400), ("argilla", 50), ("webhooks", 2)])
def test_a_stranger_is_refused_on_every_route_of(stack: Running, name: str, at_least: int, tmp_path: Path) -> None:
    known = routes(stack, name, tmp_path)
    assert len(known.http) >= at_least
    pages = [f"/{link.lstrip('/')}" for link in links_of_the_page(stack.state.url(name))]
    assert unexpected(stack, name, [*known.http, *USUAL, *pages, *known.websocket]) == []


@pytest.mark.parametrize("name", ["prefect", "argilla"])
def test_outside_its_api_a_stranger_is_shown_one_and_the_same_page(stack: Running, name: str, tmp_path: Path) -> None:
    more = ["/runs", f"/flow-runs/flow-run/{ANY_ID}", "/share-your-progress?dataset_name=x&dataset_id=x&user_name=x"]
    paths = ["/", *USUAL, *more, *(path for path in routes(stack, name, tmp_path).http if "/api/" not in path)]
    asked = [path for path in paths if not path.startswith(("/api/v1/", "/ui-settings", "/openapi.json"))]
    answers = as_a_stranger(ask=[(stack.port(name), "GET", path) for path in asked])["answers"]
    page = answers[0][1]
    assert [path for path, (status, d) in zip(asked, answers, strict=True) if status == 200 and d != page] == []


def test_prefect_tells_its_page_that_there_is_a_login(stack: Running) -> None:
    settings = httpx.get(f"{stack.state.url('prefect')}/ui-settings", trust_env=False).json()
    assert (settings["auth"], settings["csrf_enabled"]) == ("BASIC", True)


def test_the_job_queue_answers_nothing_without_its_password(stack: Running) -> None:
    commands = ("PING", "INFO", "KEYS *", "CONFIG GET dir", "GET x", "FLUSHALL", "EVAL return(1) 0", "MODULE LIST")
    for command in (*commands, "AUTH x", "AUTH default x", "HELLO 3", "REPLICAOF 127.0.0.1 1", "SHUTDOWN", "MONITOR"):
        with socket.create_connection(("127.0.0.1", stack.port("argilla-valkey")), timeout=10) as client:
            client.sendall(f"{command}\r\n".encode())
            assert client.recv(1000).startswith((b"-NOAUTH", b"-WRONGPASS")), command


def websocket_paths(stack: Running, folder: Path) -> list[str]:
    return routes(stack, "prefect", folder).websocket


def test_prefects_websockets_tell_and_take_nothing_without_the_login(stack: Running, tmp_path: Path) -> None:
    paths = websocket_paths(stack, tmp_path)
    assert {"/api/events/in", "/api/events/out", "/api/logs/out"} < set(paths)
    for path in paths:
        url = f"ws://127.0.0.1:{stack.port('prefect')}{path}"
        with pytest.raises(InvalidStatus, match="403"), connect(url, proxy=None):
            pass
        for first in ({"type": "auth", "token": "tuneloop:guess"}, {"type": "auth"}, {"type": "filter", "filter": {}}):
            with connect(url, subprotocols=["prefect"], proxy=None) as client:  # type: ignore[list-item]
                client.send(json.dumps(first))
                with pytest.raises(ConnectionClosed):
                    client.recv(timeout=30)


@pytest.mark.parametrize("name", ["mlflow", "argilla", "webhooks", "prefect"])
@pytest.mark.parametrize("path", ["/", "/ws", "/api/ws", "/api/v1/ws"])
def test_no_other_websocket_is_accepted(stack: Running, name: str, path: str) -> None:
    with (
        pytest.raises((InvalidStatus, OSError, ConnectionClosed)),
        connect(f"ws://127.0.0.1:{stack.port(name)}{path}", proxy=None) as client,
    ):
        client.recv(timeout=10)


def test_silent_strangers_do_not_hold_up_prefect(stack: Running) -> None:
    """It answers a hundred requests at a time, and an open WebSocket is one of them."""
    url = f"ws://127.0.0.1:{stack.port('prefect')}/api/events/in"
    with ExitStack() as silent:
        waiting = [silent.enter_context(connect(url, subprotocols=["prefect"], proxy=None)) for _ in range(120)]  # type: ignore[list-item]
        began = time.monotonic()
        assert httpx.get(f"{stack.state.prefect_api_url}/health", trust_env=False, timeout=30).status_code == 200
        assert time.monotonic() - began < 5
        with pytest.raises(ConnectionClosed):
            waiting[0].recv(timeout=30)


def test_prefects_documentation_that_loads_scripts_from_outside_is_off(stack: Running) -> None:
    auth = tuple(stack.state.prefect_auth.split(":"))
    with httpx.Client(base_url=stack.state.url("prefect"), trust_env=False, auth=auth) as client:  # type: ignore[arg-type]
        assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json", "/v2/")] == [404] * 4
        page = client.get("/").text
        answer = client.post("/api/flows/", json={"name": "forged"})
    assert re.findall(r"""(?:src|href)=["'](?:https?:)?//[^"']*""", page) == []
    assert (answer.status_code, "CSRF" in answer.text) == (403, True), "tokens against forged requests stay on"


def test_the_assistant_is_off_for_a_stranger_and_for_the_owner(stack: Running) -> None:
    """A base URL of one's own and full access, then a message, ran commands as the stack's user."""
    config = {"providers": {"openai": {"base_url": "http://127.0.0.1:9/v1", "selected": True}}, "full_access": True}
    login = (stack.state.mlflow_username, stack.state.mlflow_password)
    for auth, status in ((None, 401), (login, 404)):
        with httpx.Client(base_url=stack.state.url("mlflow"), auth=auth, trust_env=False) as client:
            for folder in ("/ajax-api/3.0/mlflow/assistant", "//ajax-api/3.0/mlflow/assistant"):
                assert client.put(f"{folder}/config", json=config).status_code == status
                assert client.post(f"{folder}/message", json={"message": "cat stack.json"}).status_code == status
    assert not list(stack.layout.workspace.rglob(".mlflow"))


def test_a_stranger_registers_no_version_moves_no_champion_and_overwrites_no_adapter(stack: Running) -> None:
    login = (stack.state.mlflow_username, stack.state.mlflow_password)
    api, ajax = "/api/2.0/mlflow", "/ajax-api/2.0/mlflow"
    with httpx.Client(base_url=stack.state.url("mlflow"), auth=login, trust_env=False) as owner:
        run = owner.post(f"{api}/runs/create", json={"experiment_id": "0"}).json()["run"]["info"]
        file = f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/adapter/weights"
        assert owner.put(file, content=b"ours").is_success
        owner.post(f"{api}/registered-models/create", json={"name": "desk"})
        source = {"name": "desk", "source": f"runs:/{run['run_id']}/adapter", "run_id": run["run_id"]}
        assert owner.post(f"{api}/model-versions/create", json=source).is_success
        assert owner.post(f"{api}/registered-models/alias", json=_alias("1")).is_success
        for prefix in (api, ajax):
            for method, path, body in (
                ("POST", "model-versions/create", source),
                ("POST", "registered-models/alias", _alias("2")),
                ("DELETE", "registered-models/alias", _alias("1")),
                ("DELETE", "registered-models/delete", {"name": "desk"}),
                ("POST", "runs/delete", {"run_id": run["run_id"]}),
            ):
                assert owner.request(method, f"{prefix}/{path}", json=body, auth=None).status_code == 401
        for method in ("PUT", "DELETE"):
            for path in (file, file.replace("/api/", "/ajax-api/"), file.replace("weights", "%77eights")):
                assert owner.request(method, path, content=b"theirs", auth=None).status_code == 401
        assert owner.get(file).content == b"ours"
        champion = owner.get(f"{api}/registered-models/alias", params={"name": "desk", "alias": "champion"}).json()
    assert champion["model_version"]["version"] == "1"


def _alias(version: str) -> dict[str, str]:
    return {"name": "desk", "alias": "champion", "version": version}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_another_user_opens_no_file_folder_or_socket_of_the_workspace(stack: Running) -> None:
    everything = [stack.layout.workspace, *stack.layout.workspace.rglob("*")]
    names = {path.name for path in everything}
    assert {"stack.json", "supervisor.sock", "mlflow.db", "prefect.db", "argilla.db", "mlflow.log"} <= names
    assert as_a_stranger(open=[str(stack.layout.workspace.parent)])["opened"], "the way there is open"
    assert as_a_stranger(open=[str(path) for path in everything])["opened"] == []


def test_files_with_secrets_would_stay_closed_in_a_folder_that_was_opened(stack: Running) -> None:
    open_to_others = [
        path
        for path in stack.layout.workspace.rglob("*")
        if not path.is_symlink() and path.suffix in {".json", ".db", ".log", ".conf", ".sock", ".secret"}
        if path.stat().st_mode & 0o077
    ]
    assert open_to_others == []


def test_no_secret_stands_in_a_command_line(stack: Running) -> None:
    state = stack.state
    secrets = (state.prefect_auth, state.mlflow_password, state.argilla_password, state.argilla_api_key)
    lines = [" ".join(process.cmdline()) for process in marked_processes(stack.layout)]
    assert len(lines) >= 7
    assert [line for line in lines if any(secret in line for secret in secrets)] == []
