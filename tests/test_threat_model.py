"""A promise without a test is not listed."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<tests>[^|]*`(?:tests|deployments)/[^|]*) \|$", re.MULTILINE)


def named_in(cell: str) -> list[Path]:
    """The paths between backticks; a bare file name stands beside the one before it."""
    found: list[Path] = []
    for name in re.findall(r"`([^`]+)`", cell):
        if name.startswith(("tests/", "deployments/")):
            found.append(ROOT / name)
        elif name.startswith("test_"):
            found.append(found[-1].with_name(name))
    return found


def test_every_test_that_the_threat_model_names_is_there() -> None:
    rows = ROW.findall((ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
    assert len(rows) > 20
    missing = {str(path) for _, cell in rows for path in named_in(cell) if not path.exists()}
    assert missing == set()
