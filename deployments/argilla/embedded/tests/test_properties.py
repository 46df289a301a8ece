"""The engine against plain Python on made-up records: text queries, filters and sort orders, a few hundred of each."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any
from uuid import UUID

import pytest
from argilla_embedded.search import queries
from argilla_embedded.search.documents import reconcile
from argilla_embedded.search.storage import connect
from argilla_server.enums import SortOrder, UserRole
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import User
from argilla_server.search_engine import (
    Filter,
    FilterScope,
    MetadataFilterScope,
    Order,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
    TextQuery,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive import Both, Either, Near, Phrase, Prefix, Query, Without, Word, words_of
from running import Dataset, Server, publish

COUNT = 80
VOCABULARY = ["ash", "birch", "cedar", "fir", "firs", "oak", "oaken", "AND", "or", "near", "not"]
SOURCES = ["web", "mail", "nan", "1", "1.0", "it's"]
BOUNDED = settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))

Record = dict[str, Any]


@dataclass(frozen=True)
class Library:
    """The same records twice: in a server's database, and as Python values."""

    dataset: Dataset
    records: list[Record]
    ann: User
    connection: Connection

    def search(self, query: TextQuery | None = None, filter_: Filter | None = None, *sort: Order) -> list[str]:
        """External ids, in the order of the engine."""
        choice = queries.choose(self.connection, UUID(self.dataset.id).hex, query, filter_)
        page = queries.page(self.connection, choice, queries.order_for(list(sort), None), 0, 1000)
        assert page.total == len(page.hits)
        names = dict(self.connection.execute("SELECT id, external_id FROM argilla.records"))
        return [names[record_id] for record_id, _ in page.hits]

    def where(self, holds: Callable[[Record], bool]) -> set[str]:
        return {record["external_id"] for record in self.records if holds(record)}


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the engine reads the same SQLite in both."""
    return embedded


@pytest.fixture(scope="module")
def library(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    dataset = publish(server)
    questions = dataset.client.get(f"/datasets/{dataset.id}/questions").json()["items"]
    chance = random.Random(7)
    records = [_record(f"{number:02}", chance, questions[0]["id"]) for number in range(COUNT)]
    ids = dataset.log(*records)
    ann, bob = dataset.annotator(), dataset.annotator()
    for record, record_id in zip(records, ids, strict=True):
        for annotator, name in ((ann, "ann"), (bob, "bob")):
            record[name] = chance.choice([None, None, 1, 2, 3, 4, 5])
            if record[name] is not None:
                annotator.respond(record_id, chance.choice(["submitted", "draft"]), quality=record[name])
    connection = connect(server.home / "argilla.db", tmp_path_factory.mktemp("index") / "search.db")
    reconcile(connection)
    yield Library(dataset, records, User(id=UUID(ann.id), username="ann", role=UserRole.annotator), connection)
    connection.close()


def _record(name: str, chance: random.Random, question_id: str) -> Record:
    def text() -> str:
        return " ".join(chance.choices(VOCABULARY, k=chance.randint(1, 6)))

    metadata = {
        "source": chance.choice([None, *SOURCES, ["web", "mail"]]),
        "tokens": chance.choice([None, -1, 0, 1, 7, 2**40]),
        "drift": chance.choice([None, -0.5, 0.0, 0.1, 1e-9, 1e300]),
    }
    suggestion = {
        "question_id": question_id,
        "value": chance.randint(1, 5),
        "score": chance.choice([None, 0.0, 0.5, 1]),
    }
    return {
        "external_id": name,
        "fields": {"prompt": text(), **chance.choice([{}, {"answer": text()}])},
        "metadata": {key: value for key, value in metadata.items() if value is not None},
        "suggestions": chance.choice([[], [suggestion]]),
    }


_word = st.sampled_from(VOCABULARY).map(str.lower)
_leaf = st.one_of(
    st.builds(Word, _word),
    st.builds(Prefix, _word.map(lambda word: word[:2])),
    st.builds(Phrase, st.lists(_word, min_size=1, max_size=3).map(tuple)),
    st.builds(Near, _word, _word, st.integers(0, 3)).filter(lambda near: near.first != near.second),
)
_query = st.recursive(
    _leaf,
    lambda inner: st.one_of(
        st.builds(Without, inner),
        st.builds(Both, inner, inner, st.sampled_from([" ", " + ", "+", "  "])),
        st.builds(Either, inner, inner),
    ),
    max_leaves=6,
)


@BOUNDED
@given(query=_query, field=st.sampled_from([None, "prompt", "answer"]))
def test_a_text_query_finds_what_plain_python_finds(library: Library, query: Query, field: str | None) -> None:
    def matches(record: Record) -> bool:
        texts = record["fields"]
        fields = [words_of(text) for name, text in texts.items() if field in (None, name)]
        return query.matches(fields)

    assert set(library.search(TextQuery(q=str(query), field=field))) == library.where(matches)


@BOUNDED
@given(text=st.one_of(st.text(), st.text(alphabet="ab\"*-+|()~\\ \x00:^{}'2", max_size=40)))
def test_whatever_is_typed_is_a_query(library: Library, text: str) -> None:
    try:
        found = library.search(TextQuery(q=text))
    except UnprocessableEntityError:
        return
    assert set(found) <= library.where(lambda _: True)


_number = st.one_of(st.sampled_from([-1, 0, 1, 7, 2**40, 0.1, 1e-9, 1e300]), st.floats(allow_nan=False))


@BOUNDED
@given(name=st.sampled_from(["tokens", "drift"]), ge=st.one_of(st.none(), _number), le=st.one_of(st.none(), _number))
def test_a_range_of_numbers_keeps_what_plain_python_keeps(
    library: Library, name: str, ge: float | None, le: float | None
) -> None:
    def holds(record: Record) -> bool:
        value = record["metadata"].get(name)
        return value is not None and (ge is None or value >= ge) and (le is None or value <= le)

    bounds = {"ge": ge, "le": le}
    if all(bound is None or math.isfinite(bound) for bound in bounds.values()):
        found = library.search(None, RangeFilter(scope=MetadataFilterScope(metadata_property=name), **bounds))
        assert set(found) == library.where(holds)


@BOUNDED
@given(values=st.lists(st.one_of(st.sampled_from(SOURCES), st.text(max_size=3)), min_size=1, max_size=3))
def test_terms_keep_what_plain_python_keeps(library: Library, values: list[str]) -> None:
    def holds(record: Record) -> bool:
        value = record["metadata"].get("source", [])
        return bool({*values} & {*(value if isinstance(value, list) else [value])})

    scope = MetadataFilterScope(metadata_property="source")
    assert set(library.search(None, TermsFilter(scope=scope, values=values))) == library.where(holds)


_SCOPES: dict[str, Callable[[User], FilterScope]] = {
    "tokens": lambda _: MetadataFilterScope(metadata_property="tokens"),
    "drift": lambda _: MetadataFilterScope(metadata_property="drift"),
    "source": lambda _: MetadataFilterScope(metadata_property="source"),
    "score": lambda _: SuggestionFilterScope(question="quality", property="score"),
    "value": lambda _: SuggestionFilterScope(question="quality", property="value"),
    "ann": lambda ann: ResponseFilterScope(question="quality", user=ann),
    "mean": lambda _: ResponseFilterScope(question="quality", user=None),
}


def _value(record: Record, key: str, order: SortOrder) -> Any:
    if key in ("score", "value"):
        return record["suggestions"][0][key] if record["suggestions"] else None
    if key == "mean":
        answers = [record[name] for name in ("ann", "bob") if record[name] is not None]
        return sum(answers) / len(answers) if answers else None
    value = record["ann"] if key == "ann" else record["metadata"].get(key)
    return (max if order == SortOrder.desc else min)(value) if isinstance(value, list) else value


@pytest.mark.parametrize("order", list(SortOrder))
@pytest.mark.parametrize("key", list(_SCOPES))
def test_every_sort_puts_records_without_a_value_last(library: Library, key: str, order: SortOrder) -> None:
    values = {record["external_id"]: _value(record, key, order) for record in library.records}
    is_descending = order == SortOrder.desc
    names = sorted(values, reverse=is_descending)
    valued = sorted((n for n in names if values[n] is not None), key=values.__getitem__, reverse=is_descending)
    keys = (_SCOPES[key](library.ann), RecordFilterScope(property="external_id"))
    found = library.search(None, None, *(Order(scope=scope, order=order) for scope in keys))
    assert found == [*valued, *(name for name in names if values[name] is None)]
    assert 0 < len(valued) < COUNT
