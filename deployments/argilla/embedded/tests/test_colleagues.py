"""Annotators work apart: who else answers, and what, is not theirs to know."""

import re

import argilla
import httpx
import pytest
from running import Annotator, Dataset, Server, publish

ANY_ID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the rows' place changes nothing here."""
    return embedded


Team = tuple[Dataset, Annotator, Annotator, str]


@pytest.fixture(scope="module")
def team(server: Server) -> Team:
    """Ann and Bob answered the same record; the last is its id."""
    dataset = publish(server, min_submitted=2)
    (record,) = dataset.log({"external_id": "one", "fields": {"prompt": "Is it good?"}})
    ann, bob = dataset.annotator(), dataset.annotator()
    ann.respond(record, quality=5)
    bob.respond(record, quality=1)
    return dataset, ann, bob, record


def test_an_annotator_sees_their_own_progress_and_the_teams(team: Team) -> None:
    dataset, ann, _, _ = team
    progress = ann.client.get(f"/datasets/{dataset.id}/progress").json()
    assert (progress["total"], progress["completed"], progress["pending"]) == (1, 1, 0)
    assert [user["username"] for user in progress["users"]] == [ann.username]
    users = ann.client.get(f"/datasets/{dataset.id}/users/progress").json()["users"]
    assert [(user["username"], user["completed"]["submitted"]) for user in users] == [(ann.username, 1)]


def test_owners_and_the_teams_admins_see_who_answered(team: Team) -> None:
    dataset, ann, bob, _ = team
    for client in (dataset.client, dataset.admin().client):
        for path in ("progress", "users/progress"):
            users = client.get(f"/datasets/{dataset.id}/{path}").json()["users"]
            assert [user["username"] for user in users] == [ann.username, bob.username]


def test_no_address_shows_an_annotator_another_one(team: Team) -> None:
    """Every address that can be read, filled in with what there is."""
    dataset, ann, bob, record = team
    owner = dataset.client
    questions = owner.get(f"/datasets/{dataset.id}/questions").json()["items"]
    response = next(
        one["id"] for one in owner.get(f"/records/{record}").json()["responses"] if one["user_id"] == bob.id
    )
    known = {
        "dataset_id": dataset.id,
        "workspace_id": dataset.workspace_id,
        "record_id": record,
        "user_id": bob.id,
        "question_id": questions[0]["id"],
        "response_id": response,
    }
    tried = 0
    for path, methods in owner.get("/openapi.json").json()["paths"].items():
        filled = re.sub("{(.*?)}", lambda name: known.get(name[1], ANY_ID), path)
        for method in {"get", "post"} & set(methods):
            if method == "post" and not path.endswith("/search"):
                continue
            url = f"{dataset.server.url}/api/v1{filled}"
            for query in ({}, {"include": "responses"}, {"include": ["responses", "suggestions"]}):
                body = {"json": {}} if method == "post" else {}
                answer = httpx.request(method, url, headers=ann.client.headers, params=query, timeout=30, **body)
                assert bob.username not in answer.text, path
                assert bob.id not in answer.text, path
                tried += 1
    assert tried > 50


def test_the_sdk_works_for_annotators_as_before(team: Team) -> None:
    dataset, ann, _, _ = team
    key = ann.client.headers["X-Argilla-Api-Key"]
    client = argilla.Argilla(api_url=dataset.server.url, api_key=key)
    name = dataset.client.get(f"/datasets/{dataset.id}").json()["name"]
    workspace = dataset.client.get(f"/workspaces/{dataset.workspace_id}").json()["name"]
    found = client.datasets(name=name, workspace=workspace)
    assert found.progress(with_users_distribution=True)["users"] == {
        ann.username: {
            "completed": {"submitted": 1, "draft": 0, "discarded": 0},
            "pending": {"submitted": 0, "draft": 0, "discarded": 0},
        }
    }


def test_an_admin_sees_no_api_key_but_their_own(team: Team) -> None:
    """Owners are members where they made themselves one, and an owner's key opens everything."""
    dataset, ann, _, _ = team
    owner = dataset.client.get("/me").json()
    dataset.client.post(f"/workspaces/{dataset.workspace_id}/users", json={"user_id": owner["id"]})
    admin = dataset.admin()
    members = admin.client.get(f"/workspaces/{dataset.workspace_id}/users").json()["items"]
    assert {member["username"] for member in members} >= {"owner", ann.username, admin.username}
    shown = {member["username"]: member["api_key"] for member in members if member["api_key"]}
    assert shown == {admin.username: admin.client.headers["X-Argilla-Api-Key"]}
    taken_out = admin.client.delete(f"/workspaces/{dataset.workspace_id}/users/{owner['id']}").json()
    assert (taken_out["username"], taken_out["api_key"]) == ("owner", "")
    assert all(
        one["api_key"] for one in dataset.client.get(f"/workspaces/{dataset.workspace_id}/users").json()["items"]
    )
