"""What is different between two runs: their settings, their data, the environment they were made in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tuneloop.registry.environment import HARMLESS
from tuneloop.results import DataReport, Round

Part = Literal["settings", "data", "environment", "machine"]
SCORING_ONLY = ("description", "evaluation.", "review.", "drift.", "search.")
"""Settings that no training reads."""


class Difference(BaseModel):
    """A value then and now; None where there was or is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Part
    name: str
    then: Any
    now: Any
    may_change_model: bool
    """Whether a training could come to other weights because of it."""


def run_differences(a: Round, b: Round) -> list[Difference]:
    """What differs from round `a` to round `b`: settings, data, environment, and what each `auto` became there.

    What a round does not know (older releases kept neither settings nor environment) is not compared: see
    `unknown_parts`.
    """
    return [
        *(setting_differences(a.settings, b.settings) if a.settings and b.settings else ()),
        *_differences("data", _data(a.data), _data(b.data)),
        *(environment_differences(a.environment, b.environment) if a.environment and b.environment else ()),
        *chosen_differences(a.training.chosen, b.training.chosen),
    ]


def unknown_parts(*rounds: Round) -> list[str]:
    """What could not be compared, a sentence each."""
    kept = [(r.number, name) for r in rounds for name in ("settings", "environment") if not getattr(r, name)]
    return [f"round {number} kept no {name}; an earlier release of tuneloop wrote it" for number, name in kept]


def setting_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Two whole recipes, as nested settings; a value that only one of them names is shown too."""
    return list(_differences("settings", flat(then), flat(now)))


def environment_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Two environments as of `environment_of`."""
    return list(_differences("environment", then, now))


def chosen_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """What each `auto` of two trainings became, as of `TrainingReport.chosen`."""
    return list(_differences("machine", then, now))


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as `checks.languages` -> value; lists of things with a name go by their names."""
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
        value = {v["name"]: v for v in value}
    if not isinstance(value, Mapping):
        return {name: list(value) if isinstance(value, tuple) else value}
    return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}" if name else str(key)).items()}


def _data(report: DataReport) -> dict[str, Any]:
    counts = {
        "version": report.version,
        "rows in": report.rows_in,
        "train": report.rows_train,
        "validation": report.rows_validation,
        "test": report.rows_test,
        "private": report.rows_private,
        "set aside": report.rows_quarantined,
        "not used": report.rows_unused,
        "synthetic": report.rows_synthetic,
    }
    return counts | {f"source {name}": rows for name, rows in report.sources.items()}


def _differences(part: Part, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*then, *now]):
        if then.get(name) != now.get(name):
            matters = _may_change_model(part, name)
            yield Difference(part=part, name=name, then=then.get(name), now=now.get(name), may_change_model=matters)


def _may_change_model(part: Part, name: str) -> bool:
    if part == "settings":
        return not name.startswith(SCORING_ONLY)
    return not (part == "environment" and name in HARMLESS)
