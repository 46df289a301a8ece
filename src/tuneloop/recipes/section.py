"""What all sections of a recipe have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Name = Annotated[str, Field(min_length=1, max_length=100)]

LARGEST = 2**32
"""No number of a recipe needs more; what is larger is a slip, and would fail hours later."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Texts and numbers that no setting can mean, wherever they stand."""
        _require_plain(value)
        return value


def _require_plain(value: Any) -> None:
    if isinstance(value, str) and (found := _UNPRINTABLE.search(value)):
        raise ValueError(f"holds a control character (U+{ord(found[0]):04X}); delete it")
    if isinstance(value, int | float) and abs(value) > LARGEST:
        raise ValueError(f"no setting needs a number beyond {LARGEST:,}")
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _require_plain(key)
            _require_plain(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _require_plain(inner)
