from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _short_folders_that_go_away(monkeypatch):
    """Workspaces of tests lie so deep that each would leave a folder for its socket behind."""
    folder = Path(tempfile.mkdtemp(prefix="tl", dir="/tmp"))
    monkeypatch.setattr("tuneloop.stack.layout.SYSTEM_TEMPORARY", folder)
    yield
    shutil.rmtree(folder)
