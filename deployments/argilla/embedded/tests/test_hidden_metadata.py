"""What annotators may not see, they cannot find out by searching either."""

import httpx
import pytest
from running import Annotator, Dataset, Server, publish
from scopes import ascending, between, metadata, terms

QUERIES = {
    "terms": {"filters": {"and": [terms(metadata("source"), "web"), terms(metadata("gold"), "5")]}},
    "range": {"filters": {"and": [between(metadata("gold"), ge=1)]}},
    "sort": {"sort": [ascending(metadata("gold"))]},
}


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the rows' place changes nothing here."""
    return embedded


@pytest.fixture(scope="module")
def dataset(server: Server) -> Dataset:
    dataset = publish(server)
    hidden = {"name": "gold", "title": "gold", "settings": {"type": "terms"}, "visible_for_annotators": False}
    dataset.client.post(f"/datasets/{dataset.id}/metadata-properties", json=hidden)
    dataset.log({"external_id": "marked", "fields": {"prompt": "x"}, "metadata": {"source": "web", "gold": "5"}})
    return dataset


def _answer(dataset: Dataset, person: Annotator, query: dict) -> httpx.Response:
    url = f"{dataset.server.url}/api/v1/me/datasets/{dataset.id}/records/search"
    return httpx.post(url, json=query, headers=person.client.headers)


@pytest.mark.parametrize("kind", list(QUERIES))
def test_hidden_metadata_is_to_an_annotator_as_if_it_were_not_there(dataset: Dataset, kind: str) -> None:
    annotator = dataset.annotator()
    hidden = _answer(dataset, annotator, QUERIES[kind])
    unknown = _answer(dataset, annotator, {"sort": [ascending(metadata("nothing"))]})
    assert hidden.status_code == unknown.status_code == 422
    assert hidden.text.replace("gold", "nothing") == unknown.text


def test_visible_metadata_is_searched_by_annotators(dataset: Dataset) -> None:
    assert dataset.search(None, terms(metadata("source"), "web"), by=dataset.annotator()).names == ["marked"]


def test_admins_and_owners_search_by_hidden_metadata(dataset: Dataset) -> None:
    for person in (dataset.admin(), Annotator("", "owner", dataset.client)):
        assert dataset.search(None, terms(metadata("gold"), "5"), by=person).names == ["marked"]


def test_a_set_that_is_not_there_is_not_found(dataset: Dataset) -> None:
    url = f"{dataset.server.url}/api/v1/me/datasets/{dataset.workspace_id}/records/search"
    answer = httpx.post(url, json=QUERIES["sort"], headers=dataset.annotator().client.headers)
    assert answer.status_code == 404


def test_members_of_other_workspaces_are_refused(dataset: Dataset) -> None:
    assert _answer(dataset, publish(dataset.server).annotator(), QUERIES["terms"]).status_code == 403
