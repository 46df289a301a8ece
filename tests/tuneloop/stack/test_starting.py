import pytest

from tests.tuneloop.stack.building import layout_in
from tuneloop.stack.examination import ServiceStatus
from tuneloop.stack.starting import StartError, Watch


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def status(health, pid=1, name="mlflow"):
    return ServiceStatus(name, None, pid, health, None)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def watch(tmp_path, clock):
    watch = Watch(layout_in(tmp_path), timeout_seconds=60, clock=clock)
    watch.begin(["mlflow"])
    return watch


def test_the_seconds_stop_counting_when_the_service_is_well(watch, clock):
    watch.see([status("starting")])
    clock.now = 5.0
    watch.see([status("healthy")])
    clock.now = 9.0
    assert watch.is_well("mlflow")
    assert watch.seconds == {"mlflow": 5.0}


def test_a_service_that_is_never_well_runs_out_of_time(watch, clock):
    clock.now = 61.0
    with pytest.raises(StartError, match="mlflow did not answer within 60 s"):
        watch.see([status("starting")])


def test_a_service_that_keeps_dying_is_noticed_long_before(watch):
    for pid in range(3):
        watch.see([status("starting", pid)])
    with pytest.raises(StartError, match="ended each time it was started"):
        watch.see([status("starting", 3)])


def test_a_service_that_supervisor_gave_up_fails_at_once(watch):
    with pytest.raises(StartError, match="mlflow ended"):
        watch.see([status("failed", None)])


def test_the_error_ends_with_the_log_and_says_what_to_do(watch):
    watch.layout.log_file("mlflow").write_text("\n".join(f"line {i}" for i in range(100)))
    with pytest.raises(StartError) as raised:
        watch.see([status("failed", None)])
    assert "line 99" in str(raised.value)
    assert "line 80" not in str(raised.value)
    assert "tuneloop logs mlflow" in str(raised.value)


def test_services_nobody_waits_for_are_left_out(watch):
    watch.see([status("failed", name="argilla")])
    assert not watch.is_well("argilla")
