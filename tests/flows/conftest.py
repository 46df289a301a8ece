"""A Prefect server of the tests' own, a workspace in a temporary folder, and a recipe on a tiny Llama."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.tiny_models import make_tiny_model

ROOT = Path(__file__).parents[2]
NOUNS = ("kettle", "rake", "lamp", "toaster", "duvet", "teapot", "ladder", "blanket", "grinder", "mug", "bench", "hose")
TROUBLES = (
    "arrived with a crack along the side and I only noticed when I unpacked it",
    "stopped working this morning although nobody had touched it since Sunday",
    "is the wrong colour, could you tell me how to send it back to you please",
    "was charged twice on my statement and I would like one of the payments returned",
    "has not come yet, the tracking page says it left the depot a week ago",
)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root that settings point at: recipe, data and workspace live below it."""
    root = tmp_path_factory.mktemp("project")
    make_tiny_model(root / "tiny")
    write_rows(root / "rows.jsonl", [(n, t) for n in NOUNS for t in TROUBLES])
    (root / "recipe.yaml").write_text(yaml.safe_dump(tiny_recipe(root)))
    variables = {
        "TUNELOOP_ROOT": str(root),
        "TUNELOOP_WORKSPACE": "workspace",
        "TUNELOOP_MLFLOW_URL": f"sqlite:///{root}/mlflow.db",
        "TUNELOOP_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.chdir(root)
        yield root


@pytest.fixture(scope="session", autouse=True)
def prefect_server(place: Path) -> Iterator[None]:
    """Only below tests/flows: it takes a quarter of a minute to start."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    results = {PREFECT_LOCAL_STORAGE_PATH: place / "results"}
    with prefect_test_harness(server_startup_timeout=120), temporary_settings(results):
        yield


def write_rows(file: Path, pairs: list[tuple[str, str]]) -> None:
    rows = [
        {"prompt": f"My {noun} {trouble}.", "completion": json.dumps({"item": noun, "matter": trouble.split()[0]})}
        for noun, trouble in pairs
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def tiny_recipe(root: Path) -> dict[str, object]:
    return {
        "name": "tiny",
        "data": {
            "sources": [{"name": "rows", "path": "rows.jsonl"}],
            "answer": {"kind": "json", "required_keys": ["item", "matter"]},
            "checks": {"person_names": False, "languages": [], "near_duplicate_jaccard": 1.0},
        },
        "model": {"base": str(root / "tiny"), "max_tokens": 512, "licence": "apache-2.0"},
        "training": {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "lora_rank": 4, "lora_alpha": 8},
        "evaluation": {
            "max_rows": 6,
            "max_new_tokens": 8,
            "metrics": ["valid_json", "rouge_l"],
            "rules": [{"metric": "loss", "kind": "improve"}],
            "forgetting": {"max_items": 4},
            "red_team": {"max_items": 7},
            "bias_pairs": {"max_items": 2},
        },
        "review": {"enabled": False},
        "drift": {"min_window_rows": 20, "window_rows": 40},
    }
