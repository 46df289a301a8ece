"""The suites that a recipe asks for."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tuneloop.evaluation.suites.bias_pairs import BiasPairs
from tuneloop.evaluation.suites.forgetting import Forgetting
from tuneloop.evaluation.suites.lm_eval import LmEval
from tuneloop.evaluation.suites.red_team import RedTeam
from tuneloop.evaluation.suites.suite import Suite
from tuneloop.recipes import BUILT_IN, Evaluation
from tuneloop.recipes import Suite as SuiteConfig


def suites_of(config: Evaluation, root: Path, *, labels: Collection[str] = ()) -> list[Suite]:
    """In the order in which they are measured. Relative paths start at `root`; `labels` are keys of a JSON answer.

    Raises:
        DataError: a file of items that is not there, or a line of it that is no item.
        RecipeError: tasks of a harness that is not installed.
    """
    found: list[Suite] = []
    if (asked := config.forgetting) is not None:
        found.append(Forgetting(items=_file(asked, root), max_items=asked.max_items))
    if (asked := config.red_team) is not None:
        found.append(RedTeam(items=_file(asked, root), max_items=asked.max_items))
    if (asked := config.bias_pairs) is not None:
        found.append(BiasPairs(items=_file(asked, root), max_items=asked.max_items, labels=tuple(sorted(labels))))
    if config.lm_eval_tasks:
        files = root / config.lm_eval_files if config.lm_eval_files else None
        found.append(LmEval(tasks=config.lm_eval_tasks, include_path=files, limit=config.lm_eval_limit))
    return found


def _file(asked: SuiteConfig, root: Path) -> Path | None:
    """None: the set that we wrote."""
    return None if asked.items == BUILT_IN else root / asked.items
