"""Training rows written as templates: sentences with slots, a list of values for each slot, and the wanted answer.

    slots:
      item: [rake, kettle]
    templates:
      - name: late-parcel
        prompt: Where is my {item}?
        answer: {category: delivery, reply: "We will look for the {item}."}
        rows: 10

An answer that is a mapping becomes a JSON object. A template's own `slots` go before the file's.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.data.answers import answer_problem
from tuneloop.errors import DataError
from tuneloop.readable_files import is_missing
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Message, Record, content_hash
from tuneloop.yaml_files import YamlError, read_yaml

SOURCE = "templates"
_SLOT = re.compile(r"\{(\w+)\}")

Slots = dict[str, tuple[str, ...]]


class Template(BaseModel):
    """One template; `rows` is how many of its rows are made at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    prompt: str
    answer: str | dict[str, str]
    slots: Slots = {}
    rows: int = Field(default=20, gt=0, le=100_000)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    templates: tuple[Template, ...]
    slots: Slots = {}


def read_templates(path: Path) -> list[Template]:
    """The templates of a YAML file, each with all slots that it uses.

    Raises:
        DataError: no such file, not of this form, or a slot without values; the message names the template.
    """
    if is_missing(path):
        raise DataError(f"no templates at {path}; correct data.augmentation.templates in the recipe")
    try:
        document = read_yaml(path)
        if document.problems:
            line, keys, problem = document.problems[0]
            raise DataError(f"{path}: line {line}, {keys}: {problem}")
        file = _File.model_validate(document.value)
    except YamlError as error:
        raise DataError(f"{path} {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: {wrong}") from error
    return [_with_slots(template, file.slots, path) for template in file.templates]


def template_rows(path: Path, answer: AnswerFormat, *, seed: int) -> list[Record]:
    """Rows of all templates in the file, in its order. A row's id says what is in it: `template-NAME~HASH`.

    Raises:
        DataError: the file is wrong, or an answer is not of the form that the recipe asks for.
    """
    return [
        _row(template, values, number, answer)
        for number, template in enumerate(read_templates(path), start=1)
        for values in _fillings(template, seed)
    ]


def _with_slots(template: Template, shared: Slots, path: Path) -> Template:
    used = {*_SLOT.findall(template.prompt), *_SLOT.findall(_as_text(template.answer))}
    slots = {name: values for name, values in (shared | template.slots).items() if name in used}
    empty = sorted(name for name in used if not slots.get(name))
    if empty:
        raise DataError(f"{path}: template {template.name} uses the slot {empty[0]!r}, which has no values")
    return template.model_copy(update={"slots": slots})


def _fillings(template: Template, seed: int) -> Iterator[dict[str, str]]:
    """Different choices of values, drawn without listing all of them: five slots of ten values have 100,000."""
    total = prod(len(values) for values in template.slots.values())
    rng = random.Random(f"{seed}\x1f{template.name}")  # noqa: S311 (no secret)
    for number in rng.sample(range(total), min(total, template.rows)):
        left, filling = number, {}
        for name, values in template.slots.items():
            left, place = divmod(left, len(values))
            filling[name] = values[place]
        yield filling


def _row(template: Template, values: Mapping[str, str], number: int, answer: AnswerFormat) -> Record:
    prompt, completion = _filled(template.prompt, values), _filled_answer(template.answer, values)
    problem = answer_problem(completion, answer)
    if problem:
        raise DataError(f"the answer of template {template.name} is not what data.answer asks for: {problem}")
    name = f"template-{template.name}"
    messages = (Message("user", prompt), Message("assistant", completion))
    made_by = {"synthetic": {"method": "templates", "of": name}}
    return Record(f"{name}~{content_hash([prompt, completion])[:12]}", messages, SOURCE, number, extra=made_by)


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _SLOT.sub(lambda m: values[m[1]], text)


def _filled_answer(answer: str | dict[str, str], values: Mapping[str, str]) -> str:
    if isinstance(answer, str):
        return _filled(answer, values)
    return json.dumps({key: _filled(text, values) for key, text in answer.items()}, ensure_ascii=False)


def _as_text(answer: Any) -> str:
    return answer if isinstance(answer, str) else "\n".join(answer.values())
