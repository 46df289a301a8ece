"""Reading an answer that should be JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from tuneloop.errors import RecipeError


class Schema(Protocol):
    """A JSON Schema that can be asked (a validator of the package jsonschema)."""

    def is_valid(self, instance: Any) -> bool:
        """Whether the value is as the schema wants it."""
        ...


def read_schema(file: str, root: Path) -> Schema:
    """The JSON Schema in `file`, relative to `root`; references to other files or addresses are not followed.

    Raises:
        RecipeError: it is not there, outside `root`, not JSON, not a schema, or refers to something outside itself.
    """
    from jsonschema import exceptions, validators
    from referencing import Registry

    home = root.resolve()
    path = (home / file).resolve()
    if not path.is_relative_to(home):
        raise RecipeError(f"answer.json_schema: {file} lies outside the project; put it under {home}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kind = validators.validator_for(content)
        kind.check_schema(content)
    except OSError as error:
        raise RecipeError(f"answer.json_schema: {file} cannot be read: {error.strerror}") from error
    except exceptions.SchemaError as error:
        raise RecipeError(f"answer.json_schema: {file} is not a JSON Schema: {error.message}") from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(f"answer.json_schema: {file} is not JSON: {error}") from error
    _check_references(content, file)
    checked: Schema = kind(content, registry=Registry())
    return checked


def answer_object(text: str) -> dict[str, Any] | None:
    """The JSON object that is the whole answer; None if it is anything else."""
    value = _value(text)
    return value if isinstance(value, dict) else None


def has_wanted_form(
    text: str, required_keys: Sequence[str], labels: Mapping[str, Sequence[str]], schema: Schema | None = None
) -> bool:
    """A JSON object with a plain, non-empty value for every key, and only allowed labels.

    With a `schema` it must also be as that wants it; then it need not be an object unless keys are named.
    """
    if schema is not None and not _satisfies(text, schema):
        return False
    keys = {*required_keys, *labels}
    answer = answer_object(text)
    if answer is None:
        return schema is not None and not keys
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


def label_pairs(text: str, labels: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """The keys of `labels` that the JSON answer has, with its values as JSON; empty if it is not a JSON object."""
    answer = answer_object(text) or {}
    return [(key, json.dumps(answer[key], sort_keys=True)) for key in labels if key in answer]


def has_expected_labels(text: str, expected: str, labels: Mapping[str, Sequence[str]]) -> bool:
    """All labels are there and as expected."""
    given = label_pairs(text, labels)
    return len(given) == len(labels) and given == label_pairs(expected, labels)


_NOTHING = object()


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return _NOTHING


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity, which Python reads although they are not JSON."""
    raise ValueError(name)


def _satisfies(text: str, schema: Schema) -> bool:
    value = _value(text)
    try:
        return value is not _NOTHING and schema.is_valid(value)
    except RecursionError:
        return False


def _check_references(content: Any, file: str) -> None:
    from referencing import Registry, exceptions
    from referencing.jsonschema import DRAFT202012

    root = Registry().with_resource("", DRAFT202012.create_resource(content)).resolver()
    for reference in _references(content):
        if not reference.startswith("#"):
            raise RecipeError(f"answer.json_schema: {file} refers to {reference}; write it into `$defs`")
        try:
            root.lookup(reference)
        except exceptions.Unresolvable as error:
            raise RecipeError(f"answer.json_schema: {file} has no {reference}, to which it refers") from error


def _references(content: Any) -> Iterator[str]:
    waiting = [content]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield from (part[key] for key in ("$ref", "$dynamicRef") if isinstance(part.get(key), str))
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
