"""What must hold of flow files and deployments before any of them runs."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.flow

ROOT = Path(__file__).parents[2]
FLOW_FILES = sorted(p for p in (ROOT / "flows").glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize("file", FLOW_FILES, ids=lambda p: p.stem)
def test_a_flow_file_shadows_no_importable_module(file: Path) -> None:
    """Prefect puts flows/ first on sys.path, where `flows/evaluate.py` would become `import evaluate`."""
    elsewhere = [p for p in sys.path if Path(p or ".").resolve() != (ROOT / "flows")]
    assert importlib.machinery.PathFinder.find_spec(file.stem, elsewhere) is None


def test_every_deployment_points_at_a_flow_that_takes_its_parameters() -> None:
    document = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())
    for deployment in document["deployments"]:
        file, _, name = deployment["entrypoint"].partition(":")
        flow = getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)
        assert set(deployment["parameters"]) <= set(flow.parameters.properties), deployment["name"]
        recipe = deployment["parameters"]["recipe"]
        assert recipe is None or (ROOT / recipe).is_file()
        assert deployment["work_pool"]["name"] in {"cpu", "training"}


def test_every_flow_file_has_a_deployment() -> None:
    document = yaml.safe_load((ROOT / "deployments/prefect.yaml").read_text())
    deployed = {d["entrypoint"].partition(":")[0] for d in document["deployments"]}
    assert deployed == {f"flows/{file.name}" for file in FLOW_FILES}
