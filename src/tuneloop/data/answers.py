"""Does an answer have the form the recipe asks for?"""

from __future__ import annotations

import json
from typing import Any

from tuneloop.recipes import AnswerFormat


def answer_problem(completion: str, wanted: AnswerFormat) -> str:
    """What is wrong with an answer, or "" for nothing. Keys are named, values never: they are the row's text."""
    if wanted.kind == "text":
        return ""
    answer = _object(completion)
    if answer is None:
        return "not a JSON object"
    for key in dict.fromkeys((*wanted.required_keys, *wanted.labels)):
        problem = _key_problem(answer, key, wanted)
        if problem:
            return problem
    return ""


def answer_labels(completion: str, wanted: AnswerFormat) -> str | None:
    """The labels an answer gives, as one comparable text; None where the recipe has no labels or the answer no JSON."""
    answer = _object(completion) if wanted.labels else None
    return None if answer is None else json.dumps([str(answer.get(k)) for k in wanted.labels])


def answer_text(completion: str, wanted: AnswerFormat) -> str:
    """What is written in words in an answer: the values of a JSON object that are not labels, or the answer itself."""
    answer = _object(completion) if wanted.kind == "json" else None
    if answer is None:
        return completion
    return "\n".join(v for k, v in answer.items() if isinstance(v, str) and k not in wanted.labels)


def _key_problem(answer: dict[str, Any], key: str, wanted: AnswerFormat) -> str:
    if key not in answer:
        return f"key {key} is missing"
    value = answer[key]
    if not isinstance(value, str | int | float) or not str(value).strip():
        return f"key {key} is not a plain value"
    if key in wanted.labels and value not in wanted.labels[key]:
        return f"label of {key} is not allowed"
    return ""


def _object(completion: str) -> dict[str, Any] | None:
    try:
        value = json.loads(completion)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
