import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tuneloop.stack.fakes import FakePools
from tuneloop.errors import ServiceError
from tuneloop.stack.health import answers, check, check_all
from tuneloop.stack.services import Service
from tuneloop.stack.supervisor import ProcessState

SERVER = Service("mlflow", ("x",), Path(), {}, url="http://127.0.0.1:1", probe="http://127.0.0.1:1/health")
WORKER = Service("worker-cpu", ("x",), Path(), {}, pool="cpu")


def process(state="RUNNING", name="mlflow"):
    return ProcessState(name, state, 42, 1_700_000_000.0, "")


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 500)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_only_a_200_is_an_answer(server):
    assert answers(f"{server}/health")
    assert not answers(f"{server}/other")


def test_nobody_listening_is_no_answer():
    assert not answers("http://127.0.0.1:1/health")


@pytest.mark.parametrize(
    ("state", "answering", "health"),
    [
        ("RUNNING", True, "healthy"),
        ("RUNNING", False, "starting"),
        ("STARTING", True, "starting"),
        ("BACKOFF", True, "starting"),
        ("STOPPED", True, "stopped"),
        ("EXITED", True, "stopped"),
        ("FATAL", True, "failed"),
    ],
)
def test_health_needs_both_a_running_process_and_an_answer(state, answering, health):
    assert check(SERVER, process(state), FakePools(), lambda _: answering).health == health


def test_a_service_that_supervisor_does_not_know_is_stopped():
    found = check(SERVER, None, FakePools(), lambda _: True)
    assert (found.health, found.pid, found.since) == ("stopped", None, None)


def test_a_worker_is_healthy_once_it_has_reported():
    pools = FakePools()
    assert check(WORKER, process(), pools).health == "starting"
    pools.reporting.add("worker-cpu")
    assert check(WORKER, process(), pools).health == "healthy"


def test_a_worker_whose_server_is_away_is_not_healthy():
    assert check(WORKER, process(), FakePools(error=ServiceError("away"))).health == "starting"


def test_the_status_is_json_with_five_keys():
    found = check(SERVER, process(), FakePools(), lambda _: True).to_json()
    assert found == {
        "name": "mlflow",
        "url": "http://127.0.0.1:1",
        "pid": 42,
        "health": "healthy",
        "since": "2023-11-14T22:13:20+00:00",
    }


def test_all_services_are_looked_at():
    found = check_all([SERVER, WORKER], {"worker-cpu": process(name="worker-cpu")}, FakePools(reporting={"worker-cpu"}))
    assert [s.health for s in found] == ["stopped", "healthy"]
