import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tests.tuneloop.stack.building import layout_in
from tests.tuneloop.stack.fakes import FakePools, FakeRun
from tuneloop.stack.runs import dead_runs, lost_crashes


def ago(seconds):
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


@pytest.fixture
def layout(tmp_path):
    return layout_in(tmp_path)


def ids(found):
    return [run.id for run in found]


@pytest.mark.parametrize("state_type", ["RUNNING", "CANCELLING"])
def test_a_run_without_a_process_is_dead(layout, state_type):
    pools = FakePools(runs={"cpu": [FakeRun("r1", state_type=state_type)]})
    assert ids(dead_runs(pools, "cpu", layout, worker_since=time.time())) == ["r1"]


@pytest.mark.parametrize("state_type", ["COMPLETED", "SCHEDULED", "PAUSED", "CRASHED"])
def test_a_run_that_holds_no_slot_is_left_alone(layout, state_type):
    pools = FakePools(runs={"cpu": [FakeRun("r1", state_type=state_type)]})
    assert dead_runs(pools, "cpu", layout, worker_since=None) == []


@pytest.mark.parametrize(
    ("pending_for", "worker_up_for", "is_dead"),
    [(5, 60, False), (60, 5, True), (500, 1000, True), (5, None, True)],
    ids=["being started", "its worker was restarted since", "never came to be", "no worker"],
)
def test_a_pending_run_is_dead_when_nobody_is_starting_it(layout, pending_for, worker_up_for, is_dead):
    pools = FakePools(runs={"cpu": [FakeRun("r1", state_type="PENDING", state_since=ago(pending_for))]})
    since = None if worker_up_for is None else time.time() - worker_up_for
    assert bool(dead_runs(pools, "cpu", layout, worker_since=since)) is is_dead


@dataclass
class Ending(FakePools):
    """Its run ends in order between two questions."""

    def unfinished_runs(self, pool):
        found = super().unfinished_runs(pool)
        self.runs = {}
        return found


def test_a_run_that_ends_while_we_look_is_not_dead(layout):
    assert dead_runs(Ending(runs={"cpu": [FakeRun("r1")]}), "cpu", layout, worker_since=None) == []


@pytest.mark.parametrize(
    ("crashed_for", "is_lost"), [(5, False), (60, True), (8 * 86400, False)], ids=["automation", "lost", "old history"]
)
def test_a_crash_that_no_automation_took_up_is_lost_after_a_while(layout, crashed_for, is_lost):
    pools = FakePools(runs={"cpu": [FakeRun("r1", state_type="CRASHED", state_since=ago(crashed_for))]})
    assert bool(lost_crashes(pools, "cpu", layout)) is is_lost
