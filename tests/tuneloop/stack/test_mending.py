"""A real supervisor over small services: everything that `status` can show is mended by `up`, or by the keeper."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest

from tests.tuneloop.stack.building import layout_in
from tests.tuneloop.stack.fakes import FakePools, FakeRun
from tests.tuneloop.stack.servers import becomes, install_argilla, small_services
from tuneloop.stack import keeper, lifecycle
from tuneloop.stack.environment import marker
from tuneloop.stack.keeper import Keeper
from tuneloop.stack.lifecycle import Stack
from tuneloop.stack.processes import marked_processes
from tuneloop.stack.services import SERVICE_NAMES, WORKERS
from tuneloop.stack.state import load_state
from tuneloop.stack.supervisor import Supervisor

pytestmark = pytest.mark.integration


class Bench:
    """A stack that is up, what its Prefect server knows, and ways to break it."""

    def __init__(self, folder):
        self.layout = layout_in(folder)
        self.pools = FakePools(reporting=set(WORKERS))
        self.said = []
        self.stack = Stack(
            self.layout,
            work_pools=lambda _url, _auth: self.pools,
            register_webhook=lambda _url, _key, _to: "secret",
            argilla_bin=install_argilla(folder),
            notify=self.said.append,
            timeout_seconds=120.0,
            make_services=small_services,
        )
        self.stack.up(lambda _statuses, _seconds: None)

    @property
    def supervisor(self):
        return Supervisor(self.layout)

    def status(self, name):
        return next(s for s in self.stack.status() if s.name == name)

    def health(self):
        return {s.name: s.health for s in self.stack.status()}

    def up(self):
        self.stack.up(lambda _statuses, _seconds: None)

    def main(self, name):
        return self.supervisor.states()[name].pid

    def port(self, name):
        return load_state(self.layout.state_file).ports[name]

    def keeper(self):
        return Keeper(self.layout, lambda _url, _auth: self.pools, self.said.append)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.setattr(lifecycle, "AILING_PAUSE_SECONDS", 0.1)
    bench = Bench(tmp_path)
    try:
        assert set(bench.health().values()) == {"healthy"}
        yield bench
    finally:
        bench.stack.down()
    assert marked_processes(bench.layout) == []


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def kill_a_server(bench):
    child = psutil.Process(bench.main("mlflow")).children()[0].pid
    kill(bench.main("mlflow"))
    return child


def test_a_killed_server_comes_back_by_itself_and_its_child_does_not_keep_the_port(bench):
    first = bench.status("mlflow")
    child = kill_a_server(bench)
    becomes(lambda: bench.status("mlflow").health == "healthy")
    second = bench.status("mlflow")
    assert not psutil.pid_exists(child)
    assert second.url == first.url
    assert second.pid != first.pid
    assert second.answered_by in {p.pid for p in psutil.Process(second.pid).children()}
    assert second.restarts >= 1, "a busy machine may need another try"
    assert bench.status("prefect").restarts == 0
    assert second.restarted is not None


QUICK = {"mlflow", "worker-training"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in SERVICE_NAMES]
)
def test_each_service_that_is_killed_comes_back_by_itself_and_is_counted(bench, name):
    kill(bench.main(name))
    becomes(lambda: bench.status(name).restarts >= 1 and bench.status(name).health == "healthy")


def test_a_run_of_a_killed_worker_ends_with_it(bench):
    variables = {**os.environ, "TUNELOOP_SERVICE": marker("worker-training", bench.layout)}
    variables |= {"PREFECT__FLOW_RUN_ID": "r1", "TUNELOOP_WORKSPACE": str(bench.layout.workspace)}
    with subprocess.Popen(["sleep", "60"], env=variables, start_new_session=True) as run:
        kill(bench.main("worker-training"))
        becomes(lambda: run.poll() is not None)


def test_without_supervisor_the_status_says_so_and_up_mends_it(bench):
    kill(int((bench.layout.run / "supervisord.pid").read_text()))
    becomes(lambda: not bench.supervisor.is_alive())
    found = bench.stack.status()
    assert {s.health for s in found} == {"unhealthy"}
    assert all("supervisor is gone" in s.problem for s in found)
    bench.up()
    assert set(bench.health().values()) == {"healthy"}


def stop_service(bench):
    bench.supervisor.stop_services(["mlflow"])
    return "stopped"


def leave_an_orphan(bench):
    """As if its main process had been killed while supervisor did not restart it."""
    bench.supervisor.stop_services(["mlflow"])
    variables = {**os.environ, "TUNELOOP_SERVICE": marker("mlflow", bench.layout)}
    subprocess.Popen(["sleep", "600"], env=variables, start_new_session=True)
    time.sleep(0.1)
    return "unhealthy"


def hang(bench):
    for process in psutil.Process(bench.main("mlflow")).children(recursive=True):
        process.suspend()
    return "starting"


def test_a_worker_is_not_restarted_because_its_server_is_away(bench, monkeypatch):
    from tests.tuneloop.stack.fakes import away

    monkeypatch.setattr(lifecycle.Watch, "timeout_seconds", 0.0)  # it has been up for long
    before = bench.main("worker-training")
    bench.pools.error = away()
    assert bench.status("worker-training").health == "starting"
    bench.stack._stop_ailing(bench.supervisor)
    bench.pools.error = None
    assert bench.main("worker-training") == before


def hang_for_long(bench):
    hang(bench)
    return "unhealthy"


def hold_a_slot(bench):
    bench.pools.runs["training"] = [FakeRun("r1")]
    return "unhealthy"


@pytest.mark.parametrize("break_it", [stop_service, leave_an_orphan, hold_a_slot, hang_for_long])
def test_up_mends_what_status_shows(bench, break_it, monkeypatch):
    name = "worker-training" if break_it is hold_a_slot else "mlflow"
    with monkeypatch.context() as hasty:
        if break_it is hang_for_long:
            hasty.setattr(lifecycle.Watch, "timeout_seconds", 0.0)  # what should have answered long ago
        expected = break_it(bench)
        assert bench.status(name).health == expected
        assert not bench.stack.is_up()
        bench.up()
    assert set(bench.health().values()) == {"healthy"}


@contextmanager
def taken(port):
    """A foreign process that listens on the port."""
    code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); print(flush=True); time.sleep(600)"
    stranger = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    try:
        stranger.stdout.readline()
        yield stranger
    finally:
        stranger.kill()
        stranger.communicate()


def test_a_stranger_on_the_port_is_named_never_ended_and_up_moves_to_another_port(bench):
    bench.supervisor.stop_services(["mlflow"])
    port = bench.port("mlflow")
    with taken(port) as stranger:
        bench.supervisor.start_service("mlflow")
        becomes(lambda: bench.status("mlflow").health in {"unhealthy", "failed"})
        assert bench.status("mlflow").problem == f"port {port} is held by another process ({stranger.pid})"
        bench.keeper().look()
        bench.up()
        assert stranger.poll() is None
        assert bench.port("mlflow") != port
        assert set(bench.health().values()) == {"healthy"}


def test_a_service_that_supervisor_gave_up_starts_again_when_its_port_is_free(bench):
    bench.supervisor.stop_services(["mlflow"])
    looking = bench.keeper()
    now = [0.0]
    looking.clock = lambda: now[0]
    with taken(bench.port("mlflow")):
        bench.supervisor.start_service("mlflow")
        becomes(lambda: bench.status("mlflow").health == "failed")
    looking.look()
    assert bench.status("mlflow").health == "failed", "not at once"
    now[0] = 6.0
    looking.look()
    becomes(lambda: bench.status("mlflow").health == "healthy")
    assert bench.status("mlflow").restarts >= 3, "each of supervisor's tries counts too"


def test_the_keeper_ends_an_orphan_at_its_second_look_and_nothing_else(bench):
    variables = {**os.environ, "TUNELOOP_SERVICE": marker("worker-cpu", bench.layout)}
    before = {name: bench.main(name) for name in SERVICE_NAMES}
    looking = bench.keeper()
    with subprocess.Popen(["sleep", "60"], env=variables, start_new_session=True) as orphan:
        time.sleep(0.1)
        looking.look()
        assert orphan.poll() is None, "it might be a service that starts while we look"
        looking.look()
        assert orphan.wait(5) is not None
    assert {name: bench.main(name) for name in SERVICE_NAMES} == before


def test_the_keeper_frees_the_slot_of_a_dead_run_and_schedules_a_forgotten_crash(bench, monkeypatch):
    old = "2026-01-01T00:00:00Z"
    recent = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    bench.pools.runs["training"] = [FakeRun("dead"), FakeRun("lost", "b", "CRASHED", recent)]
    bench.pools.runs["cpu"] = [FakeRun("history", "c", "CRASHED", old)]
    bench.keeper().look()
    assert bench.pools.states("training") == {"dead": "CRASHED", "lost": "CRASHED"}, "the server has just started"
    monkeypatch.setattr(keeper, "SETTLING_SECONDS", 0.0)
    bench.keeper().look()
    assert bench.pools.states("training")["lost"] == "SCHEDULED"
    assert bench.pools.states("cpu") == {"history": "CRASHED"}


def test_while_the_prefect_server_is_away_the_keeper_says_so_once_and_still_mends_the_rest(bench):
    from tests.tuneloop.stack.fakes import away

    bench.pools.error = away()
    looking = bench.keeper()
    bench.said.clear()
    for _ in range(3):
        looking.look()
    assert bench.said == ["flow runs cannot be looked after at present: the Prefect server is away"]
    bench.pools.error = None


def test_the_keeper_ends_when_supervisor_is_gone(bench):
    kill(int((bench.layout.run / "supervisord.pid").read_text()))
    becomes(lambda: not bench.supervisor.is_alive())
    with pytest.raises((ConnectionError, FileNotFoundError)):
        bench.keeper().look()


def test_a_port_of_ours_is_free_again_after_down(bench):
    port = bench.port("mlflow")
    bench.stack.down()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
