"""The way tuneloop itself uses the server: through Argilla's own SDK."""

import argilla as rg
import httpx
from running import OWNER_KEY, Server, unique


def test_a_review_round_through_the_sdk(server: Server) -> None:
    owner = rg.Argilla(api_url=server.url, api_key=OWNER_KEY)
    workspace = rg.Workspace(name=unique("round"), client=owner).create()
    ann, bob = (_reviewer(owner, workspace) for _ in range(2))
    dataset = _reviews(owner, workspace)
    dataset.records.log([{"id": str(n), "prompt": "text", "drift": n / 10, "meaning": [1.0, n]} for n in range(30)])

    _submit(server, _api_key(owner, ann), dataset, quality=2)
    answered = next(record for record in dataset.records(with_responses=True) if list(record.responses))
    answered.responses.add(rg.Response("quality", 3, user_id=bob.id, status="submitted"))
    dataset.records.log([answered])

    completed = rg.Query(filter=rg.Filter([("status", "==", "completed")]))
    (done,) = dataset.records(query=completed, with_responses=True)
    assert {answer.user_id: answer.value for answer in done.responses["quality"]} == {ann.id: 2, bob.id: 3}
    assert dataset.progress()["completed"] == 1
    similar = rg.Query(similar=rg.Similar("meaning", [0.0, 1.0]))
    assert len(list(dataset.records(query=similar))) == 30


def _reviews(owner: rg.Argilla, workspace: rg.Workspace) -> rg.Dataset:
    settings = rg.Settings(
        fields=[rg.TextField(name="prompt")],
        questions=[rg.RatingQuestion("quality", [1, 2, 3]), rg.TextQuestion("correction", required=False)],
        metadata=[rg.FloatMetadataProperty(name="drift")],
        vectors=[rg.VectorField(name="meaning", dimensions=2)],
        distribution=rg.TaskDistribution(min_submitted=2),
    )
    return rg.Dataset(name="reviews", workspace=workspace, settings=settings, client=owner).create()


def _reviewer(owner: rg.Argilla, workspace: rg.Workspace) -> rg.User:
    name = unique("reviewer")
    user = rg.User(username=name, first_name=name, role="annotator", password="a-long-password", client=owner).create()
    return user.add_to_workspace(workspace)


def _api_key(owner: rg.Argilla, user: rg.User) -> str:
    """The SDK's user objects hide the API key; the endpoint behind them does not."""
    return owner.http_client.get(f"/api/v1/users/{user.id}").json()["api_key"]


def _submit(server: Server, api_key: str, dataset: rg.Dataset, **values: object) -> None:
    """Answer the first record in this reviewer's order, as the web page does.

    Through the API and not the SDK: annotators may not list a dataset's records, only search them as themselves.
    """
    with httpx.Client(base_url=f"{server.url}/api/v1", headers={"X-Argilla-Api-Key": api_key}) as client:
        page = client.post(f"/me/datasets/{dataset.id}/records/search", json={}, params={"limit": 1}).json()
        record_id = page["items"][0]["record"]["id"]
        body = {"status": "submitted", "values": {name: {"value": value} for name, value in values.items()}}
        client.post(f"/records/{record_id}/responses", json=body).raise_for_status()
