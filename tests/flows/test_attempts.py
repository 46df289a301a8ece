"""A crashed run is started again, but not for ever and not twice at once."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from prefect import flow
from prefect.exceptions import Abort
from prefect.runtime import flow_run

from tasks.runs import only_attempt
from tuneloop.errors import TuneloopError

pytestmark = pytest.mark.flow


def test_while_another_process_carries_out_the_run_a_second_one_leaves_its_state_alone(place: Path) -> None:
    done = []

    @flow
    def run_twice() -> None:
        folder = place / "workspace" / "run" / "attempts"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{flow_run.get_id()}.lock").open("w") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            with pytest.raises(Abort), only_attempt():
                done.append("second")
        with only_attempt():
            done.append("after the first was killed")

    run_twice()
    assert done == ["after the first was killed"]


def test_what_is_over_leaves_no_lock_behind(place: Path) -> None:
    @flow
    def run_once() -> None:
        with only_attempt():
            pass

    run_once()
    assert list((place / "workspace" / "run" / "attempts").iterdir()) == []


def test_a_run_that_has_crashed_four_times_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.runs.flow_run.get_run_count", lambda: 5)

    @flow
    def run_again() -> None:
        with only_attempt():
            pass

    with pytest.raises(TuneloopError, match="crashed 4 times"):
        run_again()
