"""Text, filters, sorts, paging, similarity and metrics through the API of a running server."""

import httpx
import pytest
from running import Dataset, Server, publish
from scopes import ascending, between, descending, metadata, record, suggestion, terms

SCREEN = {
    "external_id": "screen",
    "fields": {"prompt": "My screen is broken, can I return it?", "answer": "Yes, within 14 days."},
    "metadata": {"source": "web", "tokens": 12, "drift": 0.1},
}
REFUND = {
    "external_id": "refund",
    "fields": {"prompt": "Where is my refund?", "answer": "It takes 14 days after the return."},
    "metadata": {"source": ["mail", "web"], "tokens": 7, "drift": 0.5},
}
CAFE = {
    "external_id": "café",
    "fields": {
        "prompt": "Is the café open? 東京タワー",
        "history": [{"role": "user", "content": "Good morning"}, {"role": "assistant", "content": "Hello"}],
    },
    "metadata": {"source": "phone"},
}


@pytest.fixture(scope="module")
def shop(server: Server) -> Dataset:
    dataset = publish(server)
    for one in (SCREEN, REFUND, CAFE):
        dataset.log(one)
    return dataset


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("screen", {"screen"}),
        ("SCREEN", {"screen"}),
        ("return", {"screen", "refund"}),
        ("return refund", {"refund"}),
        ("broken within", {"screen"}),
        ("screen | café", {"screen", "café"}),
        ("return -broken", {"refund"}),
        ("-return", {"café"}),
        ('"14 days"', {"screen", "refund"}),
        ('"days 14"', set()),
        ('"takes days"~2', {"refund"}),
        ("refun*", {"refund"}),
        ("refun", set()),
        ("(broken | refund) + return", {"screen", "refund"}),
        ("cafe", set()),
        ("京", {"café"}),
        ("assistant", {"café"}),
        ("morning", {"café"}),
        ("*", {"screen", "refund", "café"}),
        ("?!", set()),
        ("O'Brien \"; DROP", set()),
    ],
)
def test_a_text_query_finds_its_records(shop: Dataset, query: str, names: set[str]) -> None:
    found = shop.search(query)
    assert set(found.names) == names
    assert found.total == len(names)


def test_a_text_query_can_be_limited_to_one_field(shop: Dataset) -> None:
    assert shop.search("return", field="prompt").names == ["screen"]
    assert shop.search("broken within", field="prompt").names == []
    assert shop.search("hello", field="history").names == ["café"]


def test_better_matches_come_first(server: Server) -> None:
    dataset = publish(server)
    for name, text in (("once", "a red car and a long tail of words"), ("often", "red red red"), ("never", "blue")):
        dataset.log({"external_id": name, "fields": {"prompt": text}})
    found = dataset.search("red")
    assert found.names == ["often", "once"]
    assert found.scores == sorted(found.scores, reverse=True)
    assert all(score > 0 for score in found.scores)


def test_filters_do_not_change_scores(shop: Dataset) -> None:
    plain = dict(zip(shop.search("return").names, shop.search("return").scores, strict=True))
    filtered = shop.search("return", terms(metadata("source"), "mail"))
    assert filtered.scores == [plain["refund"]]


def test_without_a_text_every_score_is_one(shop: Dataset) -> None:
    assert shop.search().scores == [1.0, 1.0, 1.0]
    assert shop.search().names == ["screen", "refund", "café"]


def test_an_overlong_query_is_the_callers_mistake(shop: Dataset) -> None:
    assert _status_of(shop, {"text": {"q": "word " * 500}}) == 422


def _status_of(dataset: Dataset, query: dict) -> int:
    url = f"{dataset.client.base_url}datasets/{dataset.id}/records/search"
    return httpx.post(url, json={"query": query}, headers=dataset.client.headers).status_code


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (terms(metadata("source"), "web"), ["screen", "refund"]),
        (terms(metadata("source"), "mail", "phone"), ["refund", "café"]),
        (terms(metadata("tokens"), 7), ["refund"]),
        (terms(metadata("drift"), 0.5), ["refund"]),
        (terms(metadata("source"), "nowhere"), []),
        (between(metadata("tokens"), ge=8), ["screen"]),
        (between(metadata("tokens"), ge=7, le=12), ["screen", "refund"]),
        (between(metadata("tokens"), le="7"), ["refund"]),
        (between(metadata("drift"), le=0.1), ["screen"]),
        (terms(record("external_id"), "café", "screen"), ["screen", "café"]),
        (terms(record("status"), "pending"), ["screen", "refund", "café"]),
        (terms(record("status"), "completed"), []),
        (terms(record("id"), "not-an-id"), []),
        (between(record("inserted_at"), ge="2020-01-01"), ["screen", "refund", "café"]),
        (between(record("inserted_at"), le="2020-01-01T00:00:00Z"), []),
        (between(record("inserted_at"), le=1577836800000), []),
    ],
)
def test_a_filter_keeps_its_records(shop: Dataset, condition: dict, names: list[str]) -> None:
    assert shop.search(None, condition).names == names


def test_a_day_as_upper_bound_includes_that_day(shop: Dataset) -> None:
    today = shop.search().items[0]["record"]["inserted_at"][:10]
    assert shop.search(None, between(record("inserted_at"), ge=today, le=today)).total == 3


def test_records_are_found_by_id(shop: Dataset) -> None:
    chosen = shop.search().items[1]["record"]["id"]
    assert shop.search(None, terms(record("id"), chosen)).names == ["refund"]


def test_filters_and_text_apply_together(shop: Dataset) -> None:
    both = terms(metadata("source"), "web"), between(metadata("tokens"), le=10)
    assert shop.search("return", *both).names == ["refund"]


def test_names_with_odd_characters_can_be_filtered(server: Server) -> None:
    dataset = publish(server)
    name = """it's "odd".$[0]"""
    body = {"name": name, "title": name, "settings": {"type": "terms"}}
    dataset.client.post(f"/datasets/{dataset.id}/metadata-properties", json=body)
    dataset.log({"external_id": "x", "fields": {"prompt": "x"}, "metadata": {name: "yes"}})
    assert dataset.search(None, terms(metadata(name), "yes")).names == ["x"]
    assert dataset.metrics_of(name)["values"] == [{"term": "yes", "count": 1}]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (ascending(metadata("tokens")), ["refund", "screen", "café"]),
        (descending(metadata("tokens")), ["screen", "refund", "café"]),
        (descending(metadata("drift")), ["refund", "screen", "café"]),
        (ascending(metadata("source")), ["refund", "café", "screen"]),
        (ascending(record("external_id")), ["café", "refund", "screen"]),
        (descending(record("inserted_at")), ["café", "refund", "screen"]),
    ],
)
def test_sorting_puts_records_without_a_value_last(shop: Dataset, order: dict, names: list[str]) -> None:
    assert shop.search(sort=[order]).names == names


def test_the_second_key_decides_among_equals(shop: Dataset) -> None:
    keys = [ascending(record("status")), descending(record("external_id"))]
    assert shop.search(sort=keys).names == ["screen", "refund", "café"]


def test_pages_follow_each_other(shop: Dataset) -> None:
    pages = [shop.search(offset=offset, limit=2) for offset in (0, 2, 4)]
    assert [page.names for page in pages] == [["screen", "refund"], ["café"], []]
    assert [page.total for page in pages] == [3, 3, 3]


def test_suggestions_are_filtered_and_sorted_by_each_part(server: Server) -> None:
    dataset = publish(server)
    questions = dataset.client.get(f"/datasets/{dataset.id}/questions").json()["items"]
    ids = {question["name"]: question["id"] for question in questions}

    def suggested(name: str, **parts: object) -> dict:
        return {"external_id": name, "fields": {"prompt": name}, "suggestions": [parts]}

    dataset.log(
        suggested("low", question_id=ids["quality"], value=1, score=0.9, agent="judge", type="model"),
        suggested("high", question_id=ids["quality"], value=4, score=0.2, agent="rules", type="model"),
        suggested("many", question_id=ids["issues"], value=["tone", "facts"], agent="judge", type="human"),
    )
    expectations = [
        (terms(suggestion("quality"), 4), ["high"]),
        (between(suggestion("quality"), le=3), ["low"]),
        (terms(suggestion("issues"), "facts"), ["many"]),
        (between(suggestion("quality", "score"), ge=0.5), ["low"]),
        (terms(suggestion("quality", "agent"), "rules"), ["high"]),
        (terms(suggestion("issues", "type"), "human"), ["many"]),
    ]
    for condition, names in expectations:
        assert dataset.search(None, condition).names == names
    assert dataset.search(sort=[descending(suggestion("quality"))]).names == ["high", "low", "many"]
    assert dataset.search(sort=[descending(suggestion("quality", "score"))]).names == ["low", "high", "many"]


def test_changed_and_deleted_records_are_searched_as_they_are_now(server: Server) -> None:
    dataset = publish(server)
    records = [{"external_id": str(n), "fields": {"prompt": "old words"}} for n in range(3)]
    kept, changed, deleted = dataset.log(*records)
    dataset.client.patch(f"/records/{changed}", json={"fields": {"prompt": "new words"}, "metadata": {"tokens": 3}})
    dataset.client.delete(f"/datasets/{dataset.id}/records", params={"ids": deleted})
    assert dataset.search("old").names == ["0"]
    assert dataset.search("new").names == ["1"]
    assert dataset.search(None, terms(metadata("tokens"), 3)).names == ["1"]
    assert dataset.search("words").total == 2
    newest = {"items": [{"id": kept, "fields": {"prompt": "newest"}}]}
    dataset.client.put(f"/datasets/{dataset.id}/records/bulk", json=newest)
    assert dataset.search("newest").names == ["0"]


def test_similarity_ranks_by_cosine(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2, "style": 2})
    vectors = {"east": [1, 0], "north-east": [3, 3], "north": [0, 2], "west": [-1, 0]}
    records = [{"external_id": n, "fields": {"prompt": n}, "vectors": {"meaning": v}} for n, v in vectors.items()]
    ids = dataset.log(*records, {"external_id": "bare", "fields": {"prompt": "east"}, "vectors": {"style": [1, 0]}})
    found = dataset.search(vector={"name": "meaning", "value": [5, 0]})
    assert found.names == ["east", "north-east", "north", "west"]
    assert found.scores == pytest.approx([1, 0.8535534, 0.5, 0], abs=1e-6)
    least = dataset.search(vector={"name": "meaning", "value": [5, 0], "order": "least_similar"})
    assert least.names == ["west", "north", "north-east", "east"]
    assert least.scores == pytest.approx([1, 0.5, 0.1464466, 0], abs=1e-6)
    assert dataset.search(vector={"name": "meaning", "record_id": ids[0]}).names == ["north-east", "north", "west"]
    east = {"name": "meaning", "value": [1, 0]}
    assert dataset.search("north | west", vector=east).names == ["north-east", "north", "west"]
    assert dataset.search(vector=east, offset=1, limit=2).names == ["north-east", "north"]


def test_a_replaced_vector_counts_from_then_on(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    first, _ = dataset.log(
        {"external_id": "first", "fields": {"prompt": "x"}, "vectors": {"meaning": [1, 0]}},
        {"external_id": "second", "fields": {"prompt": "x"}, "vectors": {"meaning": [1, 1]}},
    )
    dataset.client.patch(f"/records/{first}", json={"vectors": {"meaning": [0, 1]}})
    assert dataset.search(vector={"name": "meaning", "value": [1, 0]}).names == ["second", "first"]


def test_a_vector_of_the_wrong_length_is_the_callers_mistake(server: Server) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    dataset.log({"fields": {"prompt": "x"}, "vectors": {"meaning": [1, 0]}})
    assert _status_of(dataset, {"vector": {"name": "meaning", "value": [1, 0, 0]}}) == 422


def test_metrics_describe_the_metadata(shop: Dataset, dataset: Dataset) -> None:
    assert shop.metrics_of("source") == {
        "type": "terms",
        "total": 4,
        "values": [{"term": "web", "count": 2}, {"term": "mail", "count": 1}, {"term": "phone", "count": 1}],
    }
    assert shop.metrics_of("tokens") == {"type": "integer", "min": 7, "max": 12}
    assert shop.metrics_of("drift") == {"type": "float", "min": 0.1, "max": 0.5}
    assert dataset.metrics_of("source")["total"] == 0
    assert dataset.metrics_of("tokens") == {"type": "integer", "min": None, "max": None}
