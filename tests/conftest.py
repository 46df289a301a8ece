"""Leave test files of other tiers unread. See CONTRIBUTING.md for what each tier needs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no bug, so no deadline; a fixed seed, so that a red run can be repeated.
settings.register_profile("tuneloop", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("tuneloop")

TIERS = ("integration", "flow", "slow", "end_to_end")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file unread that holds no test of the tier that is asked for: reading it imports what makes it slow."""
    if not (collection_path.name.startswith("test_") and collection_path.suffix == ".py"):
        return None
    expression = config.option.markexpr
    unwanted = {tier for tier in TIERS if f"not {tier}" in expression}
    wanted = {tier for tier in TIERS if re.search(rf"(?<!not )\b{tier}\b", expression)}
    text = collection_path.read_text(encoding="utf-8")
    own = re.findall(r"^pytestmark = (.*)$", text, re.MULTILINE)
    if any(f"mark.{tier}" in line for line in own for tier in unwanted):
        return True
    return True if wanted and not any(f"mark.{tier}" in text for tier in wanted) else None
