"""What one record's own address gives: to owners and admins everything, to annotators what searches would show them."""

import httpx
import pytest
from running import Annotator, Dataset, Server, publish

HIDDEN = {"gold": "5", "model": "3f1c"}


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the rows' place changes nothing here."""
    return embedded


@pytest.fixture(scope="module")
def dataset(server: Server) -> Dataset:
    dataset = publish(server, vectors={"meaning": 2, "style": 3})
    hidden = {"name": "gold", "title": "gold", "settings": {"type": "terms"}, "visible_for_annotators": False}
    dataset.client.post(f"/datasets/{dataset.id}/metadata-properties", json=hidden)
    return dataset


@pytest.fixture(scope="module")
def record_id(dataset: Dataset) -> str:
    vectors = {"meaning": [1, 0], "style": [0.5, 1, 2]}
    # "model" is no property of the set: such metadata is the owner's and the admins' as well.
    metadata = {"source": "web", **HIDDEN}
    (record_id,) = dataset.log({"fields": {"prompt": "a message"}, "vectors": vectors, "metadata": metadata})
    return record_id


@pytest.fixture(scope="module")
def people(dataset: Dataset, record_id: str) -> tuple[Annotator, Annotator]:
    ann, bob = dataset.annotator(), dataset.annotator()
    ann.respond(record_id, quality=5)
    bob.respond(record_id, "draft", quality=1)
    return ann, bob


def _shown(client: httpx.Client, record_id: str) -> dict:
    return client.get(f"/records/{record_id}").json()


@pytest.mark.usefixtures("people")
def test_a_record_comes_with_its_vectors(dataset: Dataset, record_id: str) -> None:
    assert _shown(dataset.client, record_id)["vectors"] == {"meaning": [1, 0], "style": [0.5, 1, 2]}


def test_an_annotator_sees_their_own_response_only(record_id: str, people: tuple[Annotator, Annotator]) -> None:
    for annotator, value in zip(people, (5, 1), strict=True):
        (response,) = _shown(annotator.client, record_id)["responses"]
        assert (response["user_id"], response["values"]) == (annotator.id, {"quality": {"value": value}})


@pytest.mark.usefixtures("people")
def test_an_annotator_who_has_not_answered_sees_no_response(dataset: Dataset, record_id: str) -> None:
    assert _shown(dataset.annotator().client, record_id)["responses"] == []


def test_an_annotator_sees_what_is_visible_to_annotators(dataset: Dataset, record_id: str) -> None:
    shown = _shown(dataset.annotator().client, record_id)
    assert shown["metadata"] == {"source": "web"}
    assert shown["vectors"]["meaning"] == [1, 0]
    assert shown["fields"] == {"prompt": "a message"}


def test_owners_and_admins_see_everything(
    dataset: Dataset, record_id: str, people: tuple[Annotator, Annotator]
) -> None:
    for client in (dataset.client, dataset.admin().client):
        shown = _shown(client, record_id)
        assert shown["metadata"] == {"source": "web", **HIDDEN}
        assert {response["user_id"] for response in shown["responses"]} == {person.id for person in people}


def test_looking_at_a_record_changes_nothing(
    dataset: Dataset, record_id: str, people: tuple[Annotator, Annotator]
) -> None:
    before = _shown(dataset.client, record_id)
    for annotator in people:
        _shown(annotator.client, record_id)
    assert _shown(dataset.client, record_id) == before


def test_strangers_see_no_record(dataset: Dataset, record_id: str) -> None:
    strangers = (dataset.admin(is_member=False).client, publish(dataset.server).annotator().client)
    for client in strangers:
        client.event_hooks = {}
        assert client.get(f"/records/{record_id}").status_code == 403
    assert httpx.get(f"{dataset.server.url}/api/v1/records/{record_id}").status_code == 401
