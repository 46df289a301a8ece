"""What may stand in tasks/: anything that needs no Prefect belongs into the library."""

from __future__ import annotations

from pathlib import Path

import pytest

TASKS = Path(__file__).parents[2] / "tasks"
ASIDE = {"__init__", "wiring", "caching", "display", "checks"}


@pytest.mark.parametrize("file", sorted(TASKS.glob("*.py")), ids=lambda file: file.stem)
def test_a_file_has_a_task_or_serves_all_of_them(file: Path) -> None:
    assert file.stem in ASIDE or "\n@task(" in file.read_text(encoding="utf-8")
