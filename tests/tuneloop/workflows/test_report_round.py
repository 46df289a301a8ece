from __future__ import annotations

from tuneloop.review.collecting import RESPONSES
from tuneloop.review.rows import write_rows
from tuneloop.workflows.report_round import reviewers_of


def test_people_are_counted_once_however_much_they_wrote(tmp_path):
    assert reviewers_of(tmp_path) == 0
    write_rows(tmp_path / RESPONSES, [{"reviewer": "p1"}, {"reviewer": "p1"}, {"reviewer": "p2"}, {}])
    assert reviewers_of(tmp_path) == 2
