"""Forgetting after a whole loop on real servers: every file that they leave is declared, decoded and clean.

The tests build on each other, in the order of the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from examples.support_desk.annotators import annotate
from tests.end_to_end.test_whole_loop import ROOT, Project, write_recipe
from tests.tuneloop.adapters.argilla_server import records, respond
from tests.tuneloop.workflows.forgetting.walker import found_in
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.drift.traffic import TrafficRow, append
from tuneloop.registry.rounds import load_rounds

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

NAME = "tiny-desk"
PROMPT, ANSWER, CORRECTION = "the Kumquat-Brücke lamp", "a zymurgy lantern", "an Obsidian Teacup, please"
SENT, TYPED, REVIEWER, ASKED = (
    "halcyon turnip seven",
    "periwinkle dropkick",
    "quagmire-the-reviewer",
    "velvet anvil six",
)
MARKERS = (PROMPT, ANSWER, CORRECTION, SENT, TYPED, REVIEWER, ASKED)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("forgetting"))
    write_recipe(project)
    recipe = yaml.safe_load(project.recipe.read_text())
    recipe["data"]["sources"].append({"name": "ours", "path": str(write_source(project.recipe.parent / "ours.jsonl"))})
    recipe["data"]["max_train_rows"] = None  # else ours might not be among those that are drawn
    project.recipe.write_text(yaml.safe_dump(recipe))
    project.tuneloop("up")
    try:
        yield project
    finally:
        project.tuneloop("down")


def write_source(file: Path) -> Path:
    example = json.loads((ROOT / "examples/support_desk/train.jsonl").read_text().split("\n", 1)[0])
    rows = [example | {"id": "ours-1", "prompt": f"My parcel with {PROMPT} never came, where is it?"}]
    rows += [example | {"id": "ours-2", "prompt": f"I would like to send back {ANSWER} that I bought."}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_a_loop_with_two_rounds_leaves_the_words_behind(project: Project) -> None:
    row = {"time": "2026-11-01T10:00:00+00:00", "model": "abc", "answer": "no"}
    rows = [TrafficRow(id="t1", prompt=f"Do you sell {ASKED}?", **row)]
    rows += [TrafficRow(id="t2", prompt="Do you sell lamps to the trade?", sent=f"Yes: {SENT}.", **row)]
    append(project.workspace / "traffic" / f"{NAME}.jsonl", rows)
    project.tuneloop("run", str(project.recipe))
    review_set = load_rounds(project.workspace, NAME)[0].reviews[0]
    url, key = project.state.url("argilla"), project.state.argilla_api_key
    annotate(url, key, review_set.review_set, names=(REVIEWER, "kim"), say=lambda _: None)
    third = ensure_annotator(url, key, "sam", "a-long-password")
    record = records(url, review_set.url, key)[0]["id"]
    respond(url, third, record, rating=1, correction=CORRECTION)
    project.tuneloop("run", str(project.recipe))
    api = PrefectApi(project.state.prefect_api_url, project.state.prefect_auth)
    api.create_flow_run("drift-watch/drift-watch", {"recipe": f"no/{TYPED}.yaml"})
    project.tuneloop("down")
    for marker in MARKERS:
        assert found_in(project.workspace, marker), marker


def test_every_file_is_a_place_that_is_declared(project: Project) -> None:
    from tests.tuneloop.workflows.forgetting.forgetter import names
    from tuneloop.workflows.forgetting import plan

    found = plan(project.workspace, ROOT, PROMPT, names(project.workspace))
    assert (found.undeclared, found.unreadable) == ([], [])


@pytest.mark.parametrize("marker", MARKERS)
def test_afterwards_nothing_holds_them(project: Project, marker: str) -> None:
    shown = project.tuneloop("forget", marker, "--yes", "--because", "case 7")
    assert marker not in shown
    assert found_in(project.workspace, marker) == []


def test_the_servers_start_again_and_the_answers_of_others_are_there(project: Project) -> None:
    project.tuneloop("up")
    services = json.loads(project.tuneloop("status", "--json"))
    assert {s["health"] for s in services} == {"healthy"}
    people: list[dict[str, Any]] = httpx.get(
        f"{project.state.url('argilla')}/api/v1/users",
        headers={"X-Argilla-Api-Key": project.state.argilla_api_key},
        trust_env=False,
    ).json()["items"]
    assert REVIEWER not in {person["username"] for person in people}
    assert {"kim", "sam"} <= {person["username"] for person in people}
    assert project.tuneloop("models", "audit")
    assert "forgotten" in project.tuneloop("data", "show")


def test_the_next_data_version_leaves_the_rows_out_with_the_reason(project: Project) -> None:
    project.tuneloop("run", str(project.recipe))
    last = load_rounds(project.workspace, NAME)[-1]
    assert last.data.reasons["forgotten"] == 2
    project.tuneloop("down")
    for marker in MARKERS:
        assert found_in(project.workspace, marker) == []
