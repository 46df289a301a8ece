"""Reading an answer that should be a JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def answer_object(text: str) -> dict[str, Any] | None:
    """The JSON object that is the whole answer; None if it is anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def has_wanted_form(text: str, required_keys: Sequence[str], labels: Mapping[str, Sequence[str]]) -> bool:
    """A JSON object with a plain, non-empty value for every key, and only allowed labels."""
    answer = answer_object(text)
    if answer is None:
        return False
    keys = {*required_keys, *labels}
    plain = all(isinstance(answer.get(k), str | int | float) and str(answer[k]).strip() for k in keys)
    return plain and all(answer[key] in allowed for key, allowed in labels.items())


def share_of_equal_fields(text: str, expected: str, keys: Sequence[str]) -> float:
    """Share of `keys` with the expected value; without keys, of all that the expected answer has. 0 if not JSON."""
    answer, wanted = answer_object(text), answer_object(expected)
    if answer is None or wanted is None:
        return 0.0
    names = list(keys or wanted)
    equal = [bool(key in answer and key in wanted and answer[key] == wanted[key]) for key in names]
    return sum(equal) / max(1, len(equal))
