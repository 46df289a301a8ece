"""The prompts of a suite: JSON Lines, ours or a user's, checked line by line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from tuneloop.errors import DataError
from tuneloop.records import content_hash

MAX_BYTES = 32 * 1024 * 1024
MAX_CHARACTERS = 8_000
"""Of a prompt; a longer one would say more about the context window than about the model."""


class Item(BaseModel):
    """What every line has. `category` is what scores are broken down by; files of before call it `skill`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200)
    category: str = Field(pattern=r"^[\w-]{1,64}$", validation_alias=AliasChoices("category", "skill"))


AnyItem = TypeVar("AnyItem", bound=Item)


def read_items(
    file: Path | None, built_in: str, kind: type[AnyItem], max_items: int | None = None
) -> tuple[AnyItem, ...]:
    """The items of a file (None: of the set named `built_in` that is part of this package), or a sample of them.

    A sample is stable, spread over the categories, and does not depend on the order of the lines.

    Raises:
        DataError: no such file, too large, not UTF-8, no items, the same id twice, or a line that is no item. The
            message names the line and the field, and repeats nothing of the text.
    """
    name = str(file) if file else f"the built-in set {built_in}"
    lines = _text(file, built_in, name).split("\n")  # splitlines would cut strings at U+2028
    items: dict[str, AnyItem] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        item = _parse(line, kind, f"{name}, line {number}")
        if item.id in items:
            raise DataError(f"{name}, line {number}: its id was used before; give every item an id of its own")
        items[item.id] = item
    if not items:
        raise DataError(f"{name} holds no items; write one JSON object per line, or use `built-in`")
    return tuple(items.values()) if max_items is None else tuple(spread(list(items.values()), max_items))


def spread(items: Sequence[AnyItem], count: int) -> list[AnyItem]:
    """`count` items, one category after the other; within a category by the hash of their ids."""
    shuffled = sorted(items, key=lambda item: content_hash(item.id))
    categories = sorted({item.category for item in items})
    turns = zip_longest(*([item for item in shuffled if item.category == category] for category in categories))
    return [item for turn in turns for item in turn if item is not None][:count]


def hash_items(items: Sequence[Item]) -> str:
    """Changes with anything in the items, and with their order."""
    return content_hash([item.model_dump(mode="json") for item in items])


def _text(file: Path | None, built_in: str, name: str) -> str:
    if file is None:
        place = resources.files("tuneloop.evaluation.suites") / "items" / f"{built_in}.jsonl"
        return place.read_text(encoding="utf-8")
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(
                f"{name} is larger than {MAX_BYTES // 1024**2} MiB; a suite needs hundreds of items at most"
            )
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror}); see `items` of the suite in the recipe") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _parse(line: str, kind: type[AnyItem], place: str) -> AnyItem:
    try:
        content: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place} is not JSON; write one object per line") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(str(part)[:40] for part in first["loc"]) or "the object"
        raise DataError(f"{place}: {field}: {first['msg']}") from error
