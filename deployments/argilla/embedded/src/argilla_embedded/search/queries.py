"""From a request (text, filter, order, vector) to record ids with scores."""

from dataclasses import dataclass
from sqlite3 import Connection

import numpy as np
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.search_engine import Filter, Order, TextQuery

from argilla_embedded.search import ordering
from argilla_embedded.search.documents import indexed_fields
from argilla_embedded.search.filters import filter_condition
from argilla_embedded.search.matching import TextSearch
from argilla_embedded.search.query_syntax import QueryTooLongError, parse
from argilla_embedded.search.sql import NEVER, Sql, all_of
from argilla_embedded.search.storage import normalised

_RECORDS = "argilla.records"
_DOCUMENTS = f"{_RECORDS} LEFT JOIN documents ON documents.record_id = records.id"


@dataclass(frozen=True)
class Choice:
    """The records asked for: a condition on `records` and, with a text, on `documents`, and the scores of the text."""

    condition: Sql
    scores: Sql | None = None


@dataclass(frozen=True)
class Page:
    """Record ids (32 hex digits) with scores, best first, and the number of all that match."""

    hits: list[tuple[str, float]]
    total: int


@dataclass(frozen=True)
class Target:
    """What to be similar to, and the record to leave out."""

    vector: list[float]
    record_id: str | None


def choose(connection: Connection, dataset_id: str, query: TextQuery | str | None, filter_: Filter | None) -> Choice:
    conditions = [Sql("records.dataset_id = ?", (dataset_id,))]
    if filter_ is not None:
        conditions.append(filter_condition(filter_))
    if query is None:
        return Choice(all_of(conditions))
    text = _text_search(connection, dataset_id, TextQuery(q=query) if isinstance(query, str) else query)
    if text is None:
        return Choice(NEVER)
    return Choice(all_of([*conditions, text.condition(connection)]), text.scores())


def _text_search(connection: Connection, dataset_id: str, query: TextQuery) -> TextSearch | None:
    """None when nothing can match: no word in the query, or a field that has no text (an image)."""
    try:
        tree = parse(query.q)
    except QueryTooLongError as error:
        raise UnprocessableEntityError(str(error)) from error
    fields = indexed_fields(connection, dataset_id)
    if tree is None or not fields or (query.field and query.field not in fields):
        return None
    return TextSearch(dataset_id, tree, query.field)


def order_for(sort: list[Order] | None, user_id: object | None) -> Sql:
    if sort:
        return ordering.by_keys(sort)
    return ordering.by_score() if user_id is None else ordering.shuffled(user_id)


def page(connection: Connection, choice: Choice, order: Sql, offset: int, limit: int) -> Page:
    """One page in the given order; without a text every score is 1."""
    condition, scores = choice.condition, choice.scores
    # Materialised: SQLite must not move the full-text search into the inner loop of the join.
    prefix = f"WITH found AS MATERIALIZED ({scores.text}) " if scores else ""
    source = f"{_DOCUMENTS} LEFT JOIN found ON found.id = documents.id" if scores else _RECORDS
    score = "coalesce(found.score, 1.0)" if scores else "1.0"
    params = scores.params if scores else ()
    # Counted in the same pass: a second one would evaluate the condition again.
    rows = connection.execute(
        f"{prefix}SELECT records.id, {score} AS score, count(*) OVER () FROM {source} WHERE {condition.text} "
        f"ORDER BY {order.text} LIMIT ? OFFSET ?",
        (*params, *condition.params, *order.params, limit, offset),
    ).fetchall()
    total = rows[0][2] if rows else _count(connection, choice)
    return Page([(record_id, value) for record_id, value, _ in rows], total)


def _count(connection: Connection, choice: Choice) -> int:
    source = _DOCUMENTS if choice.scores else _RECORDS
    counted = f"SELECT count(*) FROM {source} WHERE {choice.condition.text}"
    return int(connection.execute(counted, choice.condition.params).fetchone()[0])


def nearest(connection: Connection, choice: Choice, settings_id: str, target: Target, limit: int) -> Page:
    """The `limit` most similar of the chosen records; the score is (1 + cosine) / 2, as Elasticsearch has it."""
    rows = connection.execute(
        f"SELECT records.id, embeddings.vector, records.rowid FROM {_DOCUMENTS} "
        f"JOIN embeddings ON embeddings.document_id = documents.id AND embeddings.settings_id = ? "
        f"WHERE records.id IS NOT ? AND {choice.condition.text}",
        (settings_id, target.record_id, *choice.condition.params),
    ).fetchall()
    if not rows:
        return Page([], 0)
    scores = (1 + _cosines([vector for _, vector, _ in rows], target.vector)) / 2
    # Equals in the order in which they were logged. Not by SQLite, which would carry the vectors through its sort.
    best = np.lexsort(([number for _, _, number in rows], -scores))[:limit]
    hits = [(rows[index][0], float(scores[index])) for index in best]
    return Page(hits, len(hits))


def _cosines(packed: list[bytes], target: list[float]) -> np.ndarray:
    """Cosines in [-1, 1] of unit vectors, packed as float32, with any vector of the same length."""
    vector = normalised(target)
    stacked = np.frombuffer(b"".join(packed), dtype=np.float32)
    if stacked.size != len(packed) * vector.size:
        raise UnprocessableEntityError(f"the vector has {vector.size} numbers, the dataset's have another count")
    return np.clip(stacked.reshape(len(packed), -1) @ vector, -1, 1)
