"""Forms that an answer was asked to have, checked by rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, model_validator

_TRAILING = re.compile(r"[\s.!?,;:]+$")
_FENCE = re.compile(r"^```\w*\n(.*)\n```$", re.DOTALL)


class Form(BaseModel):
    """All of what is declared must hold. Words are what white space separates; a closing full stop is forgiven.

    `separated_by` and `parts`: so many non-empty parts, between them the separator. `json_keys`: one JSON object that
    has exactly these keys (a code fence round it is forgiven).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: int | None = Field(default=None, gt=0)
    max_words: int | None = Field(default=None, gt=0)
    capitals: bool = False
    lower_case: bool = False
    starts_with: str | None = Field(default=None, min_length=1)
    ends_with: str | None = Field(default=None, min_length=1)
    separated_by: str | None = Field(default=None, min_length=1)
    parts: int | None = Field(default=None, gt=1)
    without: tuple[str, ...] = ()
    digits: bool = False
    json_keys: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _asks_for_something(self) -> Form:
        if self == type(self).model_construct():
            raise ValueError("the form is empty, so every answer would pass; say what an answer must look like")
        if (self.separated_by is None) != (self.parts is None):
            raise ValueError("`separated_by` and `parts` belong together")
        return self


def form_faults(form: Form, answer: str) -> list[str]:
    """What is wrong with the form of the answer, in words; nothing where it is as asked."""
    said = answer.strip()
    if not said:
        return ["says nothing"]
    return [
        *_count_faults(form, said),
        *_letter_faults(form, said),
        *_edge_faults(form, said),
        *_json_faults(form, said),
    ]


def _count_faults(form: Form, said: str) -> Iterator[str]:
    count = len(said.split())
    if form.words is not None and count != form.words:
        yield f"has {count} words, not {form.words}"
    if form.max_words is not None and count > form.max_words:
        yield f"has {count} words, more than {form.max_words}"
    if form.separated_by is not None:
        parts = _TRAILING.sub("", said).split(form.separated_by)
        if len(parts) != form.parts or not all(part.strip() for part in parts):
            yield f"has not {form.parts} parts separated by {form.separated_by!r}"


def _letter_faults(form: Form, said: str) -> Iterator[str]:
    if form.capitals and not said.isupper():
        yield "is not in capitals"
    if form.lower_case and not said.islower():
        yield "is not in lower case"
    if form.digits and not _TRAILING.sub("", said).isdecimal():
        yield "is not only digits"
    for piece in form.without:
        if piece in said:
            yield f"contains {piece!r}"


def _edge_faults(form: Form, said: str) -> Iterator[str]:
    if form.starts_with is not None and not said.startswith(form.starts_with):
        yield f"does not start with {form.starts_with!r}"
    if form.ends_with is not None and not said.endswith(form.ends_with):
        yield f"does not end with {form.ends_with!r}"


def _json_faults(form: Form, said: str) -> Iterator[str]:
    if not form.json_keys:
        return
    fenced = _FENCE.match(said)
    try:
        content = json.loads(fenced[1] if fenced else said)
    except (ValueError, RecursionError):
        yield "is not JSON"
        return
    if not isinstance(content, dict) or set(content) != set(form.json_keys):
        yield f"is no object with the keys {', '.join(form.json_keys)}"
