"""Does an answer have the form the recipe asks for?"""

from __future__ import annotations

import json
from typing import Any

from tuneloop.recipes import AnswerFormat


def answer_problem(completion: str, wanted: AnswerFormat) -> str:
    """What is wrong with an answer, or "" for nothing. Keys are named, values never: they are the row's text."""
    return read_answer(completion, wanted)[0]


def read_answer(completion: str, wanted: AnswerFormat) -> tuple[str, str]:
    """Return what is wrong with an answer ("" if nothing is), and its words without its labels."""
    if wanted.kind == "text":
        return "", completion
    answer = _object(completion)
    if answer is None:
        return "not a JSON object", completion
    return _object_problem(answer, wanted), _words(answer, wanted)


def answer_labels(completion: str, wanted: AnswerFormat) -> str | None:
    """The labels an answer gives, as one comparable text; None where the recipe has no labels or the answer no JSON."""
    answer = _object(completion) if wanted.labels else None
    return None if answer is None else json.dumps([str(answer.get(k)) for k in wanted.labels])


def _words(answer: dict[str, Any], wanted: AnswerFormat) -> str:
    return "\n".join(v for k, v in answer.items() if isinstance(v, str) and k not in wanted.labels)


def _object_problem(answer: dict[str, Any], wanted: AnswerFormat) -> str:
    for key in dict.fromkeys((*wanted.required_keys, *wanted.labels)):
        problem = _key_problem(answer, key, wanted)
        if problem:
            return problem
    return ""


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
