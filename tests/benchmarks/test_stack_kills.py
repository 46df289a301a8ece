"""The short version of `python -m benchmarks.stack_kills`."""

import pytest

from benchmarks.stack_kills import kill_all
from benchmarks.stack_soak import VICTIMS

pytestmark = pytest.mark.slow


def test_whatever_is_killed_the_stack_is_well_and_the_run_at_work_within_two_minutes_with_no_command(tmp_path):
    kills, problems = kill_all(tmp_path, rounds=1, seed=3)
    assert problems == []
    assert {kill.victim for kill in kills} == set(VICTIMS)
