import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from tuneloop.adapters.prefect_api import FlowRun, LogLine, TaskRun
from tuneloop.cli.follow import Follower


def run(state, state_type, message=""):
    return FlowRun("r1", "calm-owl", state, state_type, message, "d1", {}, (), "", None, 0.0)


def line(number, message, level=20):
    return LogLine(str(number), f"2026-01-01T00:00:{number:02d}Z", level, message)


class FakeRuns:
    """A run that goes through the given states; every look also brings what belongs to it."""

    def __init__(self, states, *, lines=(), tasks=()):
        self.states = iter(states)
        self.lines = list(lines)
        self.tasks = list(tasks)
        self.asked_after = []

    def flow_run(self, _flow_run_id):
        return next(self.states)

    def family(self, flow_run_id):
        return [flow_run_id]

    def task_runs(self, _flow_run_ids):
        return self.tasks

    def logs(self, _flow_run_ids, *, after=None):
        self.asked_after.append(after)
        return self.lines


def follow(runs):
    out = io.StringIO()
    ended = Follower(runs, Console(file=out, width=200)).follow("r1", sleep=lambda _: None)
    return ended, out.getvalue()


def test_state_changes_are_shown_once_each():
    states = [
        run("Scheduled", "SCHEDULED"),
        run("Running", "RUNNING"),
        run("Running", "RUNNING"),
        run("Completed", "COMPLETED"),
    ]
    ended, shown = follow(FakeRuns(states))
    assert ended.is_completed
    assert shown.splitlines() == ["calm-owl: Scheduled", "calm-owl: Running", "calm-owl: Completed"]


def test_a_line_that_comes_again_is_shown_once_and_markup_in_it_is_text():
    runs = FakeRuns([run("Running", "RUNNING"), run("Completed", "COMPLETED")], lines=[line(1, "[bold] at 50 %")])
    _, shown = follow(runs)
    assert shown.count("[bold] at 50 %") == 1


def test_lines_are_asked_for_with_an_overlap_because_older_ones_may_come_late():
    runs = FakeRuns([run("Running", "RUNNING"), run("Completed", "COMPLETED")], lines=[line(30, "x")])
    follow(runs)
    assert runs.asked_after[0] is None
    assert runs.asked_after[1].startswith("2026-01-01T00:00:20")


def test_tasks_are_shown_with_their_duration_when_they_end():
    tasks = [
        TaskRun("t1", "r1", "train", "Completed", "COMPLETED", 12.34),
        TaskRun("t2", "r1", "evaluate", "Running", "RUNNING", 1.0),
    ]
    _, shown = follow(FakeRuns([run("Completed", "COMPLETED")], tasks=tasks))
    assert "✓ train 12.3 s" in shown
    assert "evaluate" not in shown


@pytest.mark.parametrize("state_type", ["FAILED", "CRASHED", "CANCELLED"])
def test_other_ends_than_completion_are_ends_too(state_type):
    ended, shown = follow(FakeRuns([run("Ended", state_type, "because")]))
    assert not ended.is_completed
    assert "because" in shown


def test_a_run_that_waits_for_a_person_is_not_followed_for_days():
    ended, text = follow(FakeRuns([run("Running", "RUNNING"), run("Suspended", "PAUSED")]))
    assert ended.waits_for_a_person
    assert "Suspended" in text


def crashed(seconds_ago):
    since = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    return replace(run("Crashed", "CRASHED"), state_since=since)


def test_a_run_that_has_just_crashed_goes_on_by_itself_and_is_followed_on():
    states = [crashed(5), run("AwaitingRetry", "SCHEDULED"), run("Completed", "COMPLETED")]
    ended, shown = follow(FakeRuns(states))
    assert ended.is_completed
    assert "calm-owl: Crashed" in shown


def test_a_run_that_nothing_has_scheduled_again_has_ended():
    ended, _ = follow(FakeRuns([crashed(100)]))
    assert ended.state == "Crashed"
