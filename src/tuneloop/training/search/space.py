"""What a search may try: the recipe's search section as values of the training section, and as Optuna sees them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneloop.recipes import Search, Training
from tuneloop.records import content_hash
from tuneloop.results.search import Value

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

ADAPTER_KEYS = ("lora_rank", "target_modules")
RATE_DIGITS = 3
"""A rate is tried as it can be read and pasted: more digits make no difference."""


@dataclass(frozen=True, slots=True)
class Space:
    """`choices`: key -> the values to choose from, numbers in ascending order; `rates`: lowest and highest learning
    rate, None where it is not searched. The recipe's own values are always among them."""

    choices: Mapping[str, tuple[Value, ...]]
    rates: tuple[float, float] | None

    def distributions(self) -> dict[str, BaseDistribution]:
        """Numbers are offered by their place in the list: TPE then knows that rank 8 lies between 4 and 16."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for key, values in self.choices.items():
            places = IntDistribution(0, len(values) - 1)
            found[key] = places if _is_ordered(values) else CategoricalDistribution(values)
        if self.rates is not None:
            found["learning_rate"] = FloatDistribution(*self.rates, log=True)
        return found

    def values(self, params: Mapping[str, Any]) -> dict[str, Value]:
        """Optuna's parameters as values of the training section."""
        found = {
            key: values[params[key]] if _is_ordered(values) else params[key] for key, values in self.choices.items()
        }
        if self.rates is not None:
            found["learning_rate"] = float(f"{params['learning_rate']:.{RATE_DIGITS}g}")
        return dict(sorted(found.items()))

    def params(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Values of the training section as Optuna's parameters."""
        return {
            key: self.choices[key].index(value) if key in self.choices and _is_ordered(self.choices[key]) else value
            for key, value in values.items()
        }

    def combinations(self, seed: int) -> list[dict[str, Value]]:
        """All there is to try where no rate is searched, in a seeded order."""
        found = [dict(zip(self.choices, values, strict=True)) for values in itertools.product(*self.choices.values())]
        return sorted(found, key=lambda values: content_hash([seed, values]))


def space_of(search: Search, config: Training) -> Space:
    """The space around a recipe. Full fine-tuning has neither rank nor targets."""
    asked = {key: getattr(search, key) for key in (*ADAPTER_KEYS, "epochs")}
    choices = {
        key: tuple(sorted({*values, getattr(config, key)}))
        for key, values in asked.items()
        if values and not (config.method == "full" and key in ADAPTER_KEYS)
    }
    rate = config.learning_rate
    rates = (min(search.learning_rate[0], rate), max(search.learning_rate[1], rate)) if search.learning_rate else None
    return Space({key: values for key, values in choices.items() if len(values) > 1}, rates)


def own_values(space: Space, config: Training) -> dict[str, Value]:
    """The recipe's own values of what is searched."""
    keys = [*space.choices, *(["learning_rate"] if space.rates else [])]
    return {key: getattr(config, key) for key in sorted(keys)}


def with_values(config: Training, values: Mapping[str, Value]) -> Training:
    """The training section with a trial's values.

    `lora_alpha` follows the rank: the adapters' output is scaled by alpha / rank, so a fixed alpha would make every
    change of the rank a change of the learning rate as well.
    """
    changes: dict[str, Any] = dict(values)
    if "lora_rank" in changes:
        changes["lora_alpha"] = max(1, round(config.lora_alpha * changes["lora_rank"] / config.lora_rank))
    return Training.model_validate({**config.model_dump(), **changes})


def changed(config: Training, values: Mapping[str, Value]) -> dict[str, Value]:
    """Keys of the training section that the values change, with what they become."""
    before, after = config.model_dump(), with_values(config, values).model_dump()
    return {key: after[key] for key in (*values, "lora_alpha") if after[key] != before[key]}


def _is_ordered(values: tuple[Value, ...]) -> bool:
    return not isinstance(values[0], str)
