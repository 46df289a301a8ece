"""Texts, numbers and queries that were not made with a search engine in mind; none of them is the server's mistake."""

import json

import httpx
import pytest
from running import Dataset, Server, publish
from scopes import RESPONSE_STATUS, ascending, between, metadata, record, response, suggestion, terms

TEXTS = {
    "quotes": """say "hi" 'there' -- ; DROP TABLE records; NEAR( {a} ^b : AND OR NOT *""",
    "nul": "before\x00after",
    "control": "\x01\x02\x1f line\u2028separator \ufeffmark",
    "emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 fine",
    "megabyte": "needle " + "x y " * 250_000,
    "long word": "w" * 1_000_000,
}
QUERIES = [
    *(
        "\x00",
        "a\x00b",
        '"',
        "'",
        "\\",
        "a\\",
        '"a',
        "AND",
        "OR NOT NEAR",
        "NEAR(a b)",
        "a:b",
        "{x}:y",
        "^a",
        "-",
        "a**",
    ),
    *("(" * 150 + "a" + ")" * 150, "-(" * 150 + "a" + ")" * 150, "word " * 200, "a*" * 200),
    *("a" * 1_000_000, "-" * 1_000_000, "|" * 1_000_000, "a-" * 100_000, '"' + "a b " * 100_000 + '"'),
    *('"a b"~0', '"a b"~99999999999999999999', "a~2", "\U0001f600", "日本語" * 1000),
]
CONDITIONS = [
    *(terms(metadata("source"), value) for value in ("nan", "inf", "1e999", "a\x00b", "")),
    *(terms(metadata("tokens"), value) for value in ("nan", "Infinity", "1e999", "x")),
    *(between(metadata("drift"), ge=bound) for bound in ("nan", "-inf", "abc", 1e308)),
    terms(record("status"), "nonsense"),
    terms(record("external_id"), *["x" * 10_000] * 250),
    *(between(record("inserted_at"), ge=date) for date in ("0001-01-01", "9999-12-31")),
    between(record("inserted_at"), le="9999-12-31"),
]
REFUSED = [
    *(between(record("inserted_at"), ge=date) for date in ("yesterday", 1e30, "2025-13-01")),
    between(record("inserted_at"), ge="0001-01-01T00:00:00+14:00"),
    between(metadata("drift"), ge="3", le="abc"),
    between(RESPONSE_STATUS, ge=1),
    *(terms(scope("nowhere"), "x") for scope in (suggestion, response, metadata)),
]


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the engine reads the same SQLite in both."""
    return embedded


@pytest.fixture(scope="module")
def odd(server: Server) -> Dataset:
    dataset = publish(server, vectors={"meaning": 2})
    dataset.log(*({"external_id": name, "fields": {"prompt": text}} for name, text in TEXTS.items()))
    return dataset


def _status(dataset: Dataset, body: str, path: str = "search") -> int:
    """Sent as it is: a JSON writer would refuse some of these texts."""
    url = f"{dataset.client.base_url}datasets/{dataset.id}/records/{path}"
    headers = {**dataset.client.headers, "content-type": "application/json"}
    return httpx.post(url, content=body, headers=headers, timeout=120).status_code


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ('"hi" drop', "quotes"),
        ("near", "quotes"),
        ("fine", "emoji"),
        ("separator", "control"),
        ("needle", "megabyte"),
        ('"y x" needle', "megabyte"),
        ("w" * 1_000_000, "long word"),
    ],
)
def test_odd_texts_are_found_and_come_back_unchanged(odd: Dataset, query: str, name: str) -> None:
    found = odd.search(query)
    assert found.names == [name]
    assert found.items[0]["record"]["fields"]["prompt"] == TEXTS[name]


def test_a_text_with_a_nul_comes_back_unchanged(odd: Dataset) -> None:
    found = odd.search(None, terms(record("external_id"), "nul"))
    assert found.items[0]["record"]["fields"]["prompt"] == TEXTS["nul"]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: ascii(query[:12]))
def test_no_query_breaks_the_server(odd: Dataset, query: str) -> None:
    assert _status(odd, json.dumps({"query": {"text": {"q": query}}})) in (200, 422)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: ascii(str(condition))[-40:])
def test_no_filter_breaks_the_server(odd: Dataset, condition: dict) -> None:
    assert odd.search(None, condition).total in (0, 6)


@pytest.mark.parametrize("condition", REFUSED, ids=lambda condition: ascii(str(condition))[-40:])
def test_a_filter_that_means_nothing_is_the_callers_mistake(odd: Dataset, condition: dict) -> None:
    assert _status(odd, json.dumps({"filters": {"and": [condition]}})) in (404, 422)


@pytest.mark.parametrize(
    "part",
    [
        r'"fields": {"prompt": "half a \ud800 pair"}',
        r'"fields": {"prompt": "x"}, "metadata": {"source": "half a \ud800 pair"}',
        r'"fields": {"prompt": "x"}, "external_id": "half a \ud800 pair"',
        '"fields": {"prompt": "x"}, "vectors": {"meaning": [1, 2, 3]}',
        '"fields": {"prompt": "x"}, "metadata": {"tokens": "7"}',
        '"fields": {"prompt": "x"}, "metadata": {"tokens": NaN}',
    ],
)
def test_a_record_that_cannot_be_stored_is_the_callers_mistake(odd: Dataset, part: str) -> None:
    assert _status(odd, f'{{"items": [{{{part}}}]}}', "bulk") == 422


def test_half_a_surrogate_pair_is_no_query(odd: Dataset) -> None:
    assert _status(odd, r'{"query": {"text": {"q": "\ud800"}}}') == 422


@pytest.mark.parametrize("vector", ["[NaN, 1]", "[1, -Infinity]", "[1e999, 1]"])
def test_a_vector_with_a_number_that_is_none_is_not_stored(server: Server, vector: str) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    body = f'{{"items": [{{"fields": {{"prompt": "x"}}, "vectors": {{"meaning": {vector}}}}}]}}'
    assert _status(dataset, body, "bulk") == 422
    assert dataset.search().total == 0


def test_extreme_numbers_do_not_spoil_the_others(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    vectors = {"zero": [0, 0], "east": [1, 0], "beyond 32 bits": [1e308, 1e308]}
    names = [{"external_id": name, "fields": {"prompt": "x"}} for name in vectors]
    dataset.log(*(item | {"vectors": {"meaning": vectors[item["external_id"]]}} for item in names))
    dataset.log({"external_id": "huge", "fields": {"prompt": "x"}, "metadata": {"tokens": 10**30, "drift": 1e308}})
    found = dataset.search(vector={"name": "meaning", "value": [1e308, 0]})
    assert found.names == ["east", "beyond 32 bits", "zero"]
    assert found.scores == pytest.approx([1.0, (1 + 0.5**0.5) / 2, 0.5])
    assert dataset.search(None, between(metadata("tokens"), ge=1)).names == ["huge"]
    assert dataset.metrics_of("drift")["max"] == 1e308


def test_a_number_that_json_has_no_word_for_is_nothing(server: Server) -> None:
    dataset = publish(server)
    assert _status(dataset, '{"items": [{"fields": {"prompt": "x"}, "metadata": {"drift": 1e999}}]}', "bulk") == 201
    assert dataset.search().items[0]["record"]["metadata"] == {"drift": None}
    assert dataset.search(None, between(metadata("drift"), ge=-1e308)).total == 0


def test_an_empty_dataset_answers_every_kind_of_search(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    assert dataset.search().total == 0
    assert dataset.search("x").total == 0
    assert dataset.search(None, terms(RESPONSE_STATUS, "pending")).total == 0
    assert dataset.search(sort=[ascending(metadata("tokens")), ascending(response("quality"))]).total == 0
    assert dataset.search(vector={"name": "meaning", "value": [1, 0]}).total == 0
    assert dataset.progress()["total"] == 0


def test_what_was_deleted_from_a_dataset_is_asked_for_in_vain(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    record_ = {"external_id": "x", "fields": {"prompt": "x"}, "metadata": {"source": "web"}}
    dataset.log({**record_, "vectors": {"meaning": [1, 0]}})
    for kind, of_me in (("metadata-properties", "/me"), ("vectors-settings", "")):
        (first, *_) = dataset.client.get(f"{of_me}/datasets/{dataset.id}/{kind}").json()["items"]
        dataset.client.delete(f"/{kind}/{first['id']}")
    assert _status(dataset, json.dumps({"filters": {"and": [terms(metadata("source"), "web")]}})) == 422
    assert _status(dataset, json.dumps({"query": {"vector": {"name": "meaning", "value": [1, 0]}}})) == 422
    body = {"name": "meaning", "title": "meaning", "dimensions": 3}
    dataset.client.post(f"/datasets/{dataset.id}/vectors-settings", json=body)
    dataset.log({**record_, "external_id": "y", "vectors": {"meaning": [0, 0, 1]}})
    assert dataset.search(vector={"name": "meaning", "value": [0, 0, 1]}).names == ["y"]


def test_custom_fields_are_searched_as_they_print(server: Server) -> None:
    client = server.client()
    draft = publish(server)
    body = {"name": f"custom-{draft.id}", "workspace_id": draft.workspace_id}
    dataset = Dataset(client.post("/datasets", json=body).json()["id"], draft.workspace_id, client, server)
    card = {"type": "custom", "template": "{{record.fields.card.name}}", "advanced_mode": False}
    client.post(
        f"/datasets/{dataset.id}/fields", json={"name": "card", "title": "card", "required": True, "settings": card}
    )
    note = {"name": "note", "title": "note", "required": True, "settings": {"type": "text", "use_markdown": False}}
    client.post(f"/datasets/{dataset.id}/questions", json=note)
    client.put(f"/datasets/{dataset.id}/publish")
    dataset.log({"external_id": "ada", "fields": {"card": {"name": "Ada Lovelace", "tags": ["first", "programmer"]}}})
    dataset.log({"external_id": "bob", "fields": {"card": {"name": "Bob", "age": 100}}})
    assert dataset.search("lovelace programmer").names == ["ada"]
    assert dataset.search("100", field="card").names == ["bob"]
    assert dataset.search("name").total == 2
    client.delete(f"/datasets/{dataset.id}")  # as long as it is there, the server's policy allows inline scripts
