"""The review desk and the scripted annotators on the real server (`make setup` installs it)."""

import json
import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from examples.support_desk.annotators import GOLD, annotate
from tuneloop.adapters.argilla_desk import ArgillaDesk
from tuneloop.adapters.argilla_desk.forms import guidelines_of
from tuneloop.adapters.argilla_teams import ensure_annotator
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewForm, ReviewItem

pytestmark = pytest.mark.end_to_end
KEY = "owner-key-of-the-live-test"
OWNER = {
    "ARGILLA_OWNER_USERNAME": "owner",
    "ARGILLA_OWNER_PASSWORD": "owner-password",
    "ARGILLA_OWNER_API_KEY": KEY,
}
PROGRAM = Path(os.environ.get("TUNELOOP_ARGILLA_BIN", ".venv-argilla/bin/argilla-embedded"))
RULES = ReviewForm("# Rules\n\nBe kind.", issue_tags=("not_json", "wrong_category"), min_submitted=2)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    home = tmp_path_factory.mktemp("argilla")
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--home", home / "home", "--port", "0"], env=os.environ | OWNER, stdout=log, stderr=log
        )
    try:
        yield _wait(home / "log", process)
    finally:
        process.terminate()
        process.wait(20)


def _wait(log: Path, process) -> str:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        for word in log.read_text().split():
            if word.startswith("http://127.0.0.1:") and _answers(word):
                return word
        time.sleep(0.3)
    raise RuntimeError(log.read_text())


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/v1/status").status_code == 200
    except httpx.TransportError:
        return False


def gold_items(count: int) -> list[ReviewItem]:
    """Every second answer is right, the others are no JSON."""
    rows = [json.loads(line) for line in GOLD.read_text().splitlines()[:count]]
    return [
        ReviewItem(
            row["id"], row["prompt"], row["completion"] if n % 2 else "nonsense", "abc", {"words": 1.0}, [0.1] * 8
        )
        for n, row in enumerate(rows)
    ]


def http(url: str, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=f"{url}/api/v1", headers={"X-Argilla-Api-Key": key})


def records(url: str, address: str) -> list[dict]:
    return http(url).get(f"/datasets/{address.split('/')[-2]}/records").json()["items"]


def test_two_annotators_answer_a_set_and_every_response_is_read_back(url):
    desk = ArgillaDesk(url, KEY)
    desk.publish("first-round-1", gold_items(6), RULES)
    said = []
    assert annotate(url, KEY, "first-round-1", say=said.append) == 12
    assert annotate(url, KEY, "first-round-1", say=said.append) == 0
    assert "In real life, people do" in " ".join(said[:2])
    answers = desk.answers("first")
    assert len({a.response_id for a in answers}) == 12
    assert len({a.reviewer for a in answers}) == 2
    assert not any("robin" in a.reviewer for a in answers)
    corrections = {(a.item_id, a.correction) for a in answers if a.correction}
    assert len(corrections) == 3
    assert {a.rating for a in answers if a.correction} <= {1, 2}
    assert {a.issues for a in answers} == {(), ("not_json",)}


def test_a_half_published_set_is_completed_and_nothing_comes_twice(url):
    desk = ArgillaDesk(url, KEY)
    address = desk.publish("half-round-1", gold_items(2), RULES)
    assert desk.publish("half-round-1", gold_items(5), RULES) == address
    assert desk.publish("half-round-1", gold_items(5), RULES) == address
    assert sorted(r["external_id"] for r in records(url, address)) == [item.id for item in gold_items(5)]


def test_a_set_that_was_cut_off_while_being_made_is_made_again(url):
    ArgillaDesk(url, KEY).publish("other-round-1", gold_items(1), RULES)
    workspaces = http(url).get("/me/workspaces").json()["items"]
    http(url).post("/datasets", json={"name": "cut-round-1", "workspace_id": workspaces[0]["id"]}).raise_for_status()
    address = ArgillaDesk(url, KEY).publish("cut-round-1", gold_items(3), RULES)
    assert len(records(url, address)) == 3


def test_only_the_correction_is_suggested_and_scores_are_metadata(url):
    desk = ArgillaDesk(url, KEY)
    address = desk.publish("shown-round-1", gold_items(1), RULES)
    dataset = address.split("/")[-2]
    questions = {q["id"]: q for q in http(url).get(f"/datasets/{dataset}/questions").json()["items"]}
    record = http(url).get(f"/datasets/{dataset}/records", params={"include": "suggestions"}).json()["items"][0]
    assert [questions[s["question_id"]]["name"] for s in record["suggestions"]] == ["correction"]
    assert record["metadata"] == {"model": "abc", "words": 1.0}
    assert {q["name"]: q["required"] for q in questions.values()} == {
        "rating": True,
        "issues": False,
        "correction": False,
        "flag": False,
    }
    described = http(url).get(f"/datasets/{dataset}").json()
    assert (described["guidelines"], described["distribution"]["min_submitted"]) == (guidelines_of(RULES), 2)


def test_drafts_come_as_drafts_and_other_projects_do_not_come(url):
    desk = ArgillaDesk(url, KEY)
    address = desk.publish("draft-round-1", gold_items(1), RULES)
    key = ensure_annotator(url, KEY, "robin", "a-long-password")
    record = records(url, address)[0]["id"]
    draft = {"status": "draft", "values": {"rating": {"value": 1}}}
    http(url, key).post(f"/records/{record}/responses", json=draft).raise_for_status()
    assert [(a.status, a.rating) for a in desk.answers("draft")] == [("draft", 1)]


def test_an_edited_response_keeps_its_id_and_gets_a_later_time(url):
    desk = ArgillaDesk(url, KEY)
    address = desk.publish("edit-round-1", gold_items(1), RULES)
    client = http(url, ensure_annotator(url, KEY, "kim", "a-long-password"))
    record = records(url, address)[0]["id"]
    body = {"status": "submitted", "values": {"rating": {"value": 2}, "flag": {"value": "harmful"}}}
    response = client.post(f"/records/{record}/responses", json=body).raise_for_status().json()["id"]
    before = desk.answers("edit")[0]
    body["values"] = {"rating": {"value": 3}, "correction": {"value": "better"}}
    client.put(f"/responses/{response}", json=body).raise_for_status()
    after = desk.answers("edit")[0]
    assert (before.rating, before.issues, after.rating, after.correction) == (2, ("flag:harmful",), 3, "better")
    assert before.response_id == after.response_id
    assert before.submitted_at < after.submitted_at


def test_an_annotator_is_created_once(url):
    first = ensure_annotator(url, KEY, "sam", "a-long-password")
    assert ensure_annotator(url, KEY, "sam", "another-password") == first


def test_a_wrong_key_and_an_annotators_key_are_refused_with_advice(url):
    for key in ("not-a-key-of-anybody", ensure_annotator(url, KEY, "sam", "a-long-password")):
        with pytest.raises(ServiceError, match="owner's key"):
            ArgillaDesk(url, key).publish("x-round-1", gold_items(1), RULES)


def test_scripted_annotators_need_a_published_set(url):
    with pytest.raises(ServiceError, match="publish it first"):
        annotate(url, KEY, "no-such-set", say=[].append)
