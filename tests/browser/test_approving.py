"""A person resumes the waiting run on Prefect's own page, and what they decided there is what counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_LOCAL_STORAGE_PATH,
    temporary_settings,
)

from tasks.approval import with_approval
from tests.browser.chromium import window
from tests.browser.prefect_server import running_prefect
from tests.tuneloop.reports.examples import make_round
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.stack.state import StackState

pytestmark = pytest.mark.end_to_end

RECIPE = "desk"


@flow(name="asking")
def asking(workspace: str) -> None:
    """What the retraining cycle does once the gate has let a candidate pass."""
    [round_] = load_rounds(Path(workspace), RECIPE)
    with_approval(round_, "7")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELOOP_ROOT", str(tmp_path))
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path / "workspace"))
    save_round(tmp_path / "workspace", make_round(recipe=RECIPE))
    return tmp_path / "workspace"


@pytest.fixture
def server(browser: Browser, workspace: Path) -> Iterator[StackState]:
    with running_prefect(workspace.parent) as state:
        address = {PREFECT_API_URL: state.prefect_api_url, PREFECT_API_AUTH_STRING: state.prefect_auth}
        with temporary_settings(address | {PREFECT_LOCAL_STORAGE_PATH: workspace.parent / "results"}):
            yield state


@pytest.fixture
def waiting_run(server: StackState, workspace: Path) -> FlowRun:
    """Only a run of a deployment can be suspended."""
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(asking), name="retraining-cycle")
        run = client.create_flow_run_from_deployment(deployment, parameters={"workspace": str(workspace)})
    work(run)
    return run


def work(run: FlowRun) -> None:
    """What a worker does."""
    with suppress(Pause):
        run_flow(asking, flow_run=run, parameters=run.parameters, return_type="state")


def state_of(run: FlowRun) -> Any:
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run.id).state


def test_nothing_goes_into_production_before_somebody_has_decided_on_the_runs_page(
    browser: Browser, server: StackState, waiting_run: FlowRun, workspace: Path
) -> None:
    assert state_of(waiting_run).name == "Suspended"
    page = signed_in(browser, server)
    page.goto(f"{server.url('prefect')}/runs/flow-run/{waiting_run.id}")
    page.get_by_role("button", name="Resume").click()
    form = page.get_by_role("dialog")
    expect(form).to_contain_text("May version 7 of desk go into production?")
    expect(form).to_contain_text("valid_json rose by 0.90")

    form.get_by_role("button", name="Submit").click()
    expect(form).to_contain_text("'decision' is a required property")
    assert state_of(waiting_run).name == "Suspended"

    choose(page, form, "decline")
    boxes = form.get_by_role("textbox")
    boxes.nth(0).fill("Ada")
    boxes.nth(1).fill("too curt on returns")
    form.get_by_role("button", name="Submit").click()
    expect(page.get_by_text(re.compile("Resuming|Scheduled")).first).to_be_visible()

    work(waiting_run)
    [round_] = load_rounds(workspace, RECIPE)
    assert round_.approval is not None
    said = (round_.approval.decision, round_.approval.by, round_.approval.because)
    assert said == ("decline", "Ada", "too curt on returns")


def signed_in(browser: Browser, server: StackState) -> Page:
    """A page that is asked for by its address before the login shows `404`: one signs in first."""
    page = window(browser).new_page()
    page.goto(f"{server.url('prefect')}/login")
    page.get_by_role("textbox").fill(server.prefect_auth)
    page.get_by_role("button", name="Login").click()
    page.wait_for_url(re.compile("dashboard"))
    return page


def choose(page: Page, form: Locator, decision: str) -> None:
    """By the arrow key: a click into the box opens the list and closes it again (Prefect 3.8)."""
    form.get_by_role("group").first.get_by_role("button").press("ArrowDown")
    page.get_by_role("option", name=decision).click()
