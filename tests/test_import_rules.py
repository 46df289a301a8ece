"""The rules of who may import whom are held: each is broken once, in a copy, and import-linter names it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("src/tuneloop", "flows", "tasks", "expectations")
PLANTED = {
    "flows -> tasks -> expectations -> tuneloop": ("tasks/caching.py", "import flows.fine_tuning"),
    "command line -> workflows, adapters -> reports -> domains -> records": (
        "src/tuneloop/data/pii.py", "import tuneloop.review.ledger",
    ),
    "workflows are handed their adapters": ("src/tuneloop/workflows/judge.py", "import tuneloop.adapters.minilm"),
    "tasks have their adapters from their wiring": ("tasks/caching.py", "import tuneloop.adapters.minilm"),
    "no Prefect in the library": ("src/tuneloop/drift/detection.py", "import prefect"),
    "no Great Expectations in the library": ("src/tuneloop/data/pii.py", "import great_expectations"),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def broken_in(place: Path) -> set[str]:
    """Names of the contracts that do not hold."""
    program = "import sys; sys.path[:0] = ['src', '.']; from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", program, "--no-cache"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return {line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line}


def test_the_tree_breaks_no_rule(copy: Path) -> None:
    assert broken_in(copy) == set()


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_import_breaks_its_rule(copy: Path, rule: str) -> None:
    name, line = PLANTED[rule]
    file = copy / name
    source = file.read_text(encoding="utf-8")
    try:
        file.write_text(f"{source}\n\ndef _planted() -> None:\n    {line}\n", encoding="utf-8")
        assert rule in broken_in(copy)
    finally:
        file.write_text(source, encoding="utf-8")
