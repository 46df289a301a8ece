"""The loop on a tiny Llama: real NF4 weights, real Prefect runs, a real MLflow store. The tests build on each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from tests.flows.conftest import NOUNS, TROUBLES, write_rows
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import Round

pytestmark = pytest.mark.flow


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", "tiny")


def state_names_of_tasks() -> dict[str, str]:
    """Task run name -> last state, over everything the server has seen."""
    with get_client(sync_client=True) as client:
        runs = client.read_task_runs(limit=200)
    return {run.name: run.state_name for run in sorted(runs, key=lambda r: r.expected_start_time)}


def test_the_first_cycle_trains_judges_and_registers(place: Path) -> None:
    from flows.retraining_cycle import retraining_cycle

    retraining_cycle("recipe.yaml")
    (round_,) = rounds_of(place)
    assert round_.complete
    assert round_.training.quantised_layers == 14
    assert round_.training.trainable_parameters > 0
    assert round_.data.rows_in == len(NOUNS) * len(TROUBLES)
    parts = ("rows_train", "rows_validation", "rows_test", "rows_private", "rows_quarantined", "rows_unused")
    assert round_.data.rows_in == sum(getattr(round_.data, part) for part in parts)
    assert round_.verdict.reasons
    assert (place / "workspace/rounds/tiny/report.html").is_file()


def test_the_registered_version_carries_the_hash_of_the_trained_model(place: Path) -> None:
    from mlflow import MlflowClient

    (round_,) = rounds_of(place)
    client = MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db", registry_uri=f"sqlite:///{place}/mlflow.db")
    version = client.get_model_version("tiny", round_.model_version)
    assert version.tags["model_hash"] == round_.training.model_hash
    assert version.tags["data_version"] == round_.data.version


def test_a_second_cycle_on_the_same_data_repeats_nothing(place: Path) -> None:
    from flows.retraining_cycle import retraining_cycle

    before = rounds_of(place)
    retraining_cycle("recipe.yaml")
    assert rounds_of(place) == before
    assert state_names_of_tasks()["validate tiny"] == "Cached"


def test_the_partial_flows_take_from_the_cache_what_the_cycle_made(place: Path) -> None:
    from flows.data_validation import data_validation
    from flows.fine_tuning import fine_tuning
    from flows.model_evaluation import model_evaluation

    (round_,) = rounds_of(place)
    assert data_validation("recipe.yaml").version == round_.data.version
    assert fine_tuning("recipe.yaml").model_hash == round_.training.model_hash
    assert model_evaluation("recipe.yaml")[0] == round_.base


def test_a_deleted_snapshot_is_made_again(place: Path) -> None:
    from flows.data_validation import data_validation

    (round_,) = rounds_of(place)
    manifest = Path(round_.data.folder) / "manifest.json"
    for file in manifest.parent.iterdir():
        file.unlink()
    manifest.parent.rmdir()
    assert data_validation("recipe.yaml").version == round_.data.version
    assert manifest.is_file()


def test_answers_edited_in_production_start_a_new_round_and_stay_out_of_the_test_rows(place: Path) -> None:
    import pandas as pd

    from flows.human_review import human_review
    from flows.retraining_cycle import retraining_cycle
    from tuneloop.drift.traffic import TrafficRow, append

    sent = json.dumps({"item": "solar panel", "matter": "rent"})
    rows = [
        TrafficRow(
            id=f"traffic-{i}",
            time=datetime.now(UTC).isoformat(),
            prompt=f"Question {i}: what would it cost to rent {i + 2} solar panels for {i + 1} years on a roof?",
            answer="{}",
            model="tiny",
            sent=sent,
        )
        for i in range(24)
    ]
    append(place / "workspace/traffic/tiny.jsonl", rows)
    assert [report.responses for report in human_review("recipe.yaml")] == [0]
    retraining_cycle("recipe.yaml", "feedback")
    first, second = rounds_of(place)
    assert second.number == 2
    assert second.trigger == "feedback"
    assert second.data.rows_train > first.data.rows_train
    test_rows = pd.read_parquet(Path(second.data.folder) / "test.parquet")
    assert not test_rows["record"].str.contains("solar").any()


def test_drifted_traffic_emits_one_event_and_the_same_window_none(place: Path) -> None:
    from flows.drift_watch import drift_watch

    report = drift_watch("recipe.yaml")
    assert report is not None
    assert report.status in {"drift", "no_drift"}
    again = drift_watch("recipe.yaml")
    assert again is not None
    assert again.status != "drift"


def test_what_the_checks_found_is_there_for_people_to_look_at(place: Path) -> None:
    with get_client(sync_client=True) as client:
        said = [(a.key, str(a.data)) for a in client.read_artifacts()]
    assert {"data-tiny", "data-report-tiny", "traffic-checks-tiny"} <= {key for key, _ in said}
    assert not [key for key, text in said if key == "traffic-checks-tiny" and "solar" in text]
    version = rounds_of(place)[-1].data.version
    assert [key for key, text in said if key == "data-report-tiny" and version in text]
    assert Path(rounds_of(place)[-1].data.page).is_file()


def test_a_changed_source_gives_a_new_data_version(place: Path) -> None:
    from flows.data_validation import data_validation

    before = rounds_of(place)[-1].data.version
    write_rows(place / "rows.jsonl", [(n, t) for n in (*NOUNS, "wheelbarrow") for t in TROUBLES])
    assert data_validation("recipe.yaml").version != before
