"""A planted workspace, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.workflows.forgetting.planted import plant


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("planted")
    plant(root)
    return root


@pytest.fixture
def root(planted: Path, tmp_path: Path) -> Path:
    """A copy of its own; the adapters' paths, which the rounds know, stay those of the first."""
    shutil.copytree(planted, tmp_path / "root")
    return tmp_path / "root"
