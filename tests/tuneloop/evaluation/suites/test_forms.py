from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tuneloop.evaluation.suites.forms import Form, form_faults


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ({"words": 1}, "Hot.", "very hot"),
        ({"max_words": 3}, "a b c", "a b c d"),
        ({"capitals": True}, "HOT!", "Hot"),
        ({"lower_case": True}, "madrid", "Madrid"),
        ({"starts_with": "Hello"}, "Hello you", "Well, Hello"),
        ({"ends_with": "?"}, "Is it?", "It is."),
        ({"separated_by": ",", "parts": 3}, "pear, plum, fig.", "pear, plum and fig"),
        ({"separated_by": ",", "parts": 3}, "a,b,c", "a,,c"),
        ({"separated_by": "+", "parts": 2}, "salt+pepper", "salt+"),
        ({"without": ["z"]}, "bread", "zest"),
        ({"digits": True}, "42.", "42 days"),
        ({"json_keys": ["x", "y"]}, '{"y": 1, "x": [2]}', '{"x": 1}'),
        ({"json_keys": ["x"]}, '```json\n{"x": 1}\n```', 'Here: {"x": 1}'),
        ({"json_keys": ["x"]}, '{"x": null}', "[" * 100_000),
    ],
)
def test_a_form_is_checked_by_rule(form: dict[str, Any], good: str, bad: str) -> None:
    rule = Form.model_validate(form)
    assert form_faults(rule, good) == []
    assert len(form_faults(rule, bad)) == 1
    assert form_faults(rule, " \n") == ["says nothing"]


def test_a_form_that_every_answer_has_is_refused() -> None:
    with pytest.raises(ValidationError, match="empty"):
        Form()
    with pytest.raises(ValidationError, match="belong together"):
        Form(parts=3)
