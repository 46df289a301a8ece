"""The short version of `python -m benchmarks.review_kills`."""

import pytest

from benchmarks.review_kills import review_and_kill
from benchmarks.review_soak import VICTIMS

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]


def test_nothing_is_lost_or_doubled_when_each_part_is_killed_while_people_review(tmp_path):
    outcome = review_and_kill(tmp_path, kills=len(VICTIMS), people=3, seed=2)
    assert outcome.problems == []
    assert set(outcome.killed) == set(VICTIMS)
    assert outcome.submitted > 0
