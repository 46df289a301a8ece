"""The annotation backend and the scripted annotators on the real server."""

import json

import pytest

from examples.support_desk.annotators import GOLD, annotate
from tests.tuneloop.adapters.argilla_server import KEY, api, records, respond, seen
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.forms import guidelines_of
from tuneloop.adapters.argilla.questions import KIND
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewForm, ReviewItem

pytestmark = pytest.mark.end_to_end
RULES = ReviewForm("# Rules\n\nBe kind.", issue_tags=("not_json", "wrong_category"), min_submitted=2)
DIMENSIONS = ("factuality", "safety")


def gold_items(count: int) -> list[ReviewItem]:
    """Every second answer is right, the others are no JSON."""
    rows = [json.loads(line) for line in GOLD.read_text().splitlines()[:count]]
    return [
        ReviewItem(
            row["id"], row["prompt"], row["completion"] if n % 2 else "nonsense", "abc", {"words": 1.0}, [0.1] * 8
        )
        for n, row in enumerate(rows)
    ]


def test_two_annotators_answer_a_set_and_every_response_is_read_back(url):
    backend = ArgillaBackend(url, KEY)
    backend.publish("first-round-1", gold_items(6), RULES)
    said = []
    assert annotate(url, KEY, "first-round-1", say=said.append) == 12
    assert annotate(url, KEY, "first-round-1", say=said.append) == 0
    assert "In real life, people do" in " ".join(said[:2])
    answers = backend.answers("first")
    assert len({a.response_id for a in answers}) == 12
    assert len({a.reviewer for a in answers}) == 2
    assert not any("robin" in a.reviewer for a in answers)
    corrections = {(a.item_id, a.correction) for a in answers if a.correction}
    assert len(corrections) == 3
    assert {a.rating for a in answers if a.correction} <= {1, 2}
    assert {a.issues for a in answers} == {(), ("not_json",)}


def test_a_half_published_set_is_completed_and_nothing_comes_twice(url):
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("half-round-1", gold_items(2), RULES)
    assert backend.publish("half-round-1", gold_items(5), RULES) == address
    assert backend.publish("half-round-1", gold_items(5), RULES) == address
    assert sorted(r["external_id"] for r in records(url, address)) == [item.id for item in gold_items(5)]


def test_a_set_that_was_cut_off_while_being_made_is_made_again(url):
    ArgillaBackend(url, KEY).publish("other-round-1", gold_items(1), RULES)
    workspaces = api(url).get("/me/workspaces").json()["items"]
    api(url).post("/datasets", json={"name": "cut-round-1", "workspace_id": workspaces[0]["id"]}).raise_for_status()
    address = ArgillaBackend(url, KEY).publish("cut-round-1", gold_items(3), RULES)
    assert len(records(url, address)) == 3


def test_only_the_correction_is_suggested_and_scores_are_metadata(url):
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("shown-round-1", gold_items(1), RULES)
    dataset = address.split("/")[-2]
    questions = {q["id"]: q for q in api(url).get(f"/datasets/{dataset}/questions").json()["items"]}
    record = api(url).get(f"/datasets/{dataset}/records", params={"include": "suggestions"}).json()["items"][0]
    assert [questions[s["question_id"]]["name"] for s in record["suggestions"]] == ["correction"]
    assert record["metadata"] == {"model": "abc", "words": 1.0}
    assert {q["name"]: q["required"] for q in questions.values()} == {
        "rating": True,
        "issues": False,
        "correction": False,
        "flag": False,
    }
    described = api(url).get(f"/datasets/{dataset}").json()
    assert (described["guidelines"], described["distribution"]["min_submitted"]) == (guidelines_of(RULES), 2)


def test_drafts_come_as_drafts_and_other_projects_do_not_come(url):
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("draft-round-1", gold_items(1), RULES)
    key = ensure_annotator(url, KEY, "robin", "a-long-password")
    record = records(url, address)[0]["id"]
    draft = {"status": "draft", "values": {"rating": {"value": 1}}}
    api(url, key).post(f"/records/{record}/responses", json=draft).raise_for_status()
    assert [(a.status, a.rating) for a in backend.answers("draft")] == [("draft", 1)]


def test_an_edited_response_keeps_its_id_and_gets_a_later_time(url):
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("edit-round-1", gold_items(1), RULES)
    client = api(url, ensure_annotator(url, KEY, "kim", "a-long-password"))
    record = records(url, address)[0]["id"]
    body = {"status": "submitted", "values": {"rating": {"value": 2}, "flag": {"value": "harmful"}}}
    response = client.post(f"/records/{record}/responses", json=body).raise_for_status().json()["id"]
    before = backend.answers("edit")[0]
    body["values"] = {"rating": {"value": 3}, "correction": {"value": "better"}}
    client.put(f"/responses/{response}", json=body).raise_for_status()
    after = backend.answers("edit")[0]
    assert (before.rating, before.issues, after.rating, after.correction) == (2, ("flag:harmful",), 3, "better")
    assert before.response_id == after.response_id
    assert before.submitted_at < after.submitted_at


def test_an_annotator_is_created_once(url):
    first = ensure_annotator(url, KEY, "sam", "a-long-password")
    assert ensure_annotator(url, KEY, "sam", "another-password") == first


def test_a_wrong_key_and_an_annotators_key_are_refused_with_advice(url):
    for key in ("not-a-key-of-anybody", ensure_annotator(url, KEY, "sam", "a-long-password")):
        with pytest.raises(ServiceError, match="owner's key"):
            ArgillaBackend(url, key).publish("x-round-1", gold_items(1), RULES)


def test_scripted_annotators_need_a_published_set(url):
    with pytest.raises(ServiceError, match="publish it first"):
        annotate(url, KEY, "no-such-set", say=[].append)


def dataset_id(address: str) -> str:
    return address.split("/")[-2]


SAID = {
    "answers": {"rating": 2, "issues": ["voice"], "correction": "better", "safety": 5, "flag": "harmful"},
    "drifted_slice": {"rating": 5, "factuality": 4},
    "preference": {"preferred": "alternative"},
    "data_sample": {"fit": "mend", "correction": "better"},
    "red_team": {"failure": "yes", "severity": "critical", "correction": "better"},
    "adjudication": {"preferred": "neither", "rating": 3, "correction": "mine"},
}
HOSTILE = "<script>x</script> & ![](http://there/x.png) $' <b>\n"


@pytest.mark.parametrize("text_format", ["plain", "markdown", "chat"])
def test_every_kind_is_published_answered_and_read_back(url, text_format):
    backend = ArgillaBackend(url, KEY)
    key = ensure_annotator(url, KEY, "robin", "a-long-password")
    for kind, values in SAID.items():
        form = ReviewForm("Rules", kind, ("voice", "style"), DIMENSIONS, text_format=text_format)
        labels = {"slice": "billing", "_chosen": "gold"}
        item = ReviewItem("i1", HOSTILE, HOSTILE + "A", "abc", {"words": 1.0}, [0.1] * 8, HOSTILE + "B", "def", labels)
        address = backend.publish(f"kind-{text_format}-{kind}", [item], form)
        answering = KEY if kind == "adjudication" else key  # nobody is named, so only owners adjudicate
        respond(url, answering, records(url, address)[0]["id"], **values)
    found = {answer.kind: answer for answer in backend.answers(f"kind-{text_format}-")}
    assert {(a.prompt, a.answer, a.model) for a in found.values()} == {(HOSTILE, HOSTILE + "A", "abc")}
    assert found["answers"].dimensions == {"safety": 5}
    assert (found["answers"].issues, found["answers"].correction) == (("voice", "flag:harmful"), "better")
    assert found["drifted_slice"].dimensions == {"factuality": 4}
    assert found["preference"].alternative == HOSTILE + "B"
    assert (found["preference"].preferred, found["preference"].alternative_model) == ("alternative", "def")
    assert found["data_sample"].labels == {"slice": "billing", "_chosen": "gold", "fit": "mend"}
    assert found["red_team"].labels["severity"] == "critical"
    assert (found["adjudication"].preferred, found["adjudication"].correction) == (None, "mine")
    assert {p.kind for p in backend.progress(f"kind-{text_format}-")} == set(SAID)


def test_reviewers_are_shown_slices_and_scores_and_neither_models_nor_what_starts_with_an_underscore(url):
    item = ReviewItem("i1", "p", "a", "abc", {"words": 1.0}, None, "b", "def", {"slice": "billing", "_chosen": "gold"})
    address = ArgillaBackend(url, KEY).publish("blind-round-1", [item], ReviewForm("Rules", "preference"))
    key = ensure_annotator(url, KEY, "robin", "a-long-password")
    assert [record["metadata"] for record in seen(url, address, key)] == [{"slice": "billing", "words": 1.0}]
    path = f"/me/datasets/{dataset_id(address)}/metadata-properties"
    assert [p["name"] for p in api(url, key).get(path).json()["items"]] == ["slice", "words"]


def test_similar_records_are_found_by_meaning(url):
    near, far = [1.0, 0.0, 0.1], [0.0, 1.0, 0.0]
    items = [ReviewItem(name, name, "a", "m", {}, v) for name, v in {"one": near, "two": near, "three": far}.items()]
    address = ArgillaBackend(url, KEY).publish("near-round-1", items, RULES)
    one = next(record for record in records(url, address) if record["external_id"] == "one")
    query = {"query": {"vector": {"name": "meaning", "record_id": one["id"]}}}
    path = f"/me/datasets/{dataset_id(address)}/records/search"
    found = api(url).post(path, json=query).raise_for_status().json()["items"]
    assert [item["record"]["external_id"] for item in found] == ["two", "three"]


def test_progress_tells_who_is_waited_for(url):
    backend = ArgillaBackend(url, KEY, workspace="waiting", annotators=("pat", "ada"))
    keys = [ensure_annotator(url, KEY, name, "a-long-password", team="elsewhere") for name in ("pat", "ada")]
    address = backend.publish("wait-round-1", gold_items(3), RULES)
    first, second, third = [record["id"] for record in records(url, address)]
    for key in keys:
        respond(url, key, first, rating=5)
    respond(url, keys[0], second, rating=4)
    respond(url, keys[0], third, "draft", rating=4)
    progress = backend.progress("wait")[0]
    assert (progress.records, progress.completed, progress.min_submitted) == (3, 1, 2)
    assert sorted(progress.waiting.values()) == [1, 2]


def test_a_renamed_question_is_still_understood_and_a_record_made_by_hand_is_read(url):
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("hand-round-1", gold_items(1), RULES)
    path = f"/datasets/{dataset_id(address)}"
    rating = next(q for q in api(url).get(f"{path}/questions").json()["items"] if q["name"] == "rating")
    api(url).patch(f"/questions/{rating['id']}", json={"title": "Grade?"}).raise_for_status()
    made = {"items": [{"fields": {"prompt": "by hand", "answer": "a"}}]}
    api(url).post(f"{path}/records/bulk", json=made).raise_for_status()
    for record in records(url, address):
        respond(url, KEY, record["id"], rating=3)
    by_hand = next(answer for answer in backend.answers("hand") if answer.prompt == "by hand")
    assert {answer.rating for answer in backend.answers("hand")} == {3}
    assert by_hand.item_id.startswith("argilla-")


def test_a_discarded_response_comes_as_one(url):
    backend = ArgillaBackend(url, KEY)
    record = records(url, backend.publish("discard-round-1", gold_items(1), RULES))[0]["id"]
    respond(url, KEY, record, "discarded")
    assert [(a.status, a.rating) for a in backend.answers("discard")] == [("discarded", None)]


def test_a_set_of_the_first_version_is_read_and_added_to(url):
    """It had neither a kind nor dimensions, and everybody saw the model."""
    backend = ArgillaBackend(url, KEY)
    address = backend.publish("first-version-1", gold_items(1), RULES)
    api(url).patch(f"/datasets/{dataset_id(address)}", json={"metadata": None}).raise_for_status()
    assert KIND not in (api(url).get(f"/datasets/{dataset_id(address)}").json()["metadata"] or {})
    backend.publish("first-version-1", gold_items(2), RULES)
    for record in records(url, address):
        respond(url, KEY, record["id"], rating=4)
    assert {(a.kind, a.rating) for a in backend.answers("first-version")} == {("answers", 4)}
