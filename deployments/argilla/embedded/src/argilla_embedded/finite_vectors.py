"""A vector with a number that is none (NaN, Infinity) is the caller's mistake, and refused before it is stored.

Upstream stores it, and from then on every answer with this record's vectors is an error.
"""

from math import isfinite

from argilla_server.models import VectorSettings
from argilla_server.validators.vectors import VectorValidator

_has_right_length = VectorValidator.validate


def insist() -> None:
    """Put the check in place; call it once, before the first request."""
    VectorValidator.validate = staticmethod(_check)


def _check(value: list[float], settings: VectorSettings) -> None:
    _has_right_length(value, settings)
    if not all(map(isfinite, value)):
        raise ValueError(f"vector value for vector name={settings.name} must consist of finite numbers")
