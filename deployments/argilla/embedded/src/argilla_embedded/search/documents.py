"""The full-text tables: one per dataset, one column per text field, one row per record."""

import json
import logging
import sqlite3
from collections.abc import Iterable
from functools import partial
from typing import Any

from argilla_embedded.search.query_syntax import spaced
from argilla_embedded.search.storage import in_transaction

_LOGGER = logging.getLogger(__name__)
_SEARCHABLE_TYPES = ("text", "chat", "custom")
# What tells an indexed version of a record from a later one. Vectors have a clock of their own.
_STAMP = """max(records.updated_at, coalesce(
    (SELECT max(updated_at) FROM argilla.vectors WHERE record_id = records.id), ''))"""


def table_of(dataset_id: str) -> str:
    return f'"text_{dataset_id}"'


def column_of(field_name: str) -> str:
    """The quoted column of a field; the prefix keeps clear of FTS5's own column names."""
    return '"' + f"field_{field_name}".replace('"', '""') + '"'


def ensure_index(connection: sqlite3.Connection, dataset_id: str) -> None:
    """Create the dataset's table; one with other columns (the fields were edited) is emptied and made anew."""
    wanted = [name for name, _ in _searchable_fields(connection, dataset_id)]
    if wanted and indexed_fields(connection, dataset_id) != wanted:
        drop_index(connection, dataset_id)
        columns = ", ".join(column_of(name) for name in wanted)
        connection.execute(
            f"CREATE VIRTUAL TABLE {table_of(dataset_id)} "
            f"USING fts5({columns}, tokenize = 'unicode61 remove_diacritics 0')"
        )


def indexed_fields(connection: sqlite3.Connection, dataset_id: str) -> list[str]:
    """Names of the fields that the dataset's table has a column for; empty when there is no table."""
    rows = connection.execute(f"PRAGMA main.table_info({table_of(dataset_id)})")
    return [name.removeprefix("field_") for _, name, *_ in rows]


def drop_index(connection: sqlite3.Connection, dataset_id: str) -> None:
    connection.execute(f"DROP TABLE IF EXISTS main.{table_of(dataset_id)}")
    connection.execute("DELETE FROM documents WHERE dataset_id = ?", (dataset_id,))


def index_records(connection: sqlite3.Connection, dataset_id: str, record_ids: Iterable[str]) -> None:
    """Bring these records' texts and vectors to what Argilla's database holds now."""
    ensure_index(connection, dataset_id)
    fields = _searchable_fields(connection, dataset_id)
    ids = json.dumps(list(record_ids))
    rows = connection.execute(
        f"SELECT id, {_STAMP}, fields FROM argilla.records "
        "WHERE dataset_id = ? AND id IN (SELECT value FROM json_each(?))",
        (dataset_id, ids),
    ).fetchall()
    for record_id, stamp, values in rows:
        document_id = _save_document(connection, dataset_id, record_id, stamp)
        if fields:
            _save_text(connection, dataset_id, document_id, fields, json.loads(values))
    _save_embeddings(connection, ids)


def delete_records(connection: sqlite3.Connection, dataset_id: str, record_ids: Iterable[str]) -> None:
    ids = json.dumps(list(record_ids))
    chosen = "SELECT id FROM documents WHERE dataset_id = ? AND record_id IN (SELECT value FROM json_each(?))"
    if indexed_fields(connection, dataset_id):
        connection.execute(f"DELETE FROM {table_of(dataset_id)} WHERE rowid IN ({chosen})", (dataset_id, ids))
    connection.execute(f"DELETE FROM documents WHERE id IN ({chosen})", (dataset_id, ids))


def reconcile(connection: sqlite3.Connection) -> int:
    """Repair what a crash between Argilla's commit and ours left behind; the number of records indexed again."""
    live = {row[0] for row in connection.execute("SELECT id FROM argilla.datasets WHERE status = 'ready'")}
    known = {row[0] for row in connection.execute("SELECT DISTINCT dataset_id FROM documents")}
    for dataset_id in known - live:
        in_transaction(connection, partial(drop_index, dataset_id=dataset_id))
    indexed = sum(in_transaction(connection, partial(_reconcile_dataset, dataset_id=name)) for name in live)
    if indexed:
        _LOGGER.warning("indexed %s records again", indexed)
    return indexed


def _reconcile_dataset(connection: sqlite3.Connection, dataset_id: str) -> int:
    ensure_index(connection, dataset_id)
    gone = connection.execute(
        "SELECT record_id FROM documents WHERE dataset_id = ? AND record_id NOT IN (SELECT id FROM argilla.records)",
        (dataset_id,),
    ).fetchall()
    stale = connection.execute(
        "SELECT records.id FROM argilla.records LEFT JOIN documents ON documents.record_id = records.id "
        f"WHERE records.dataset_id = ? AND documents.stamp IS NOT {_STAMP}",
        (dataset_id,),
    ).fetchall()
    if gone:
        delete_records(connection, dataset_id, (row[0] for row in gone))
    if stale:
        index_records(connection, dataset_id, (row[0] for row in stale))
    return len(stale)


def _searchable_fields(connection: sqlite3.Connection, dataset_id: str) -> list[tuple[str, str]]:
    """Name and type of the fields that have text, in a stable order."""
    rows = connection.execute(
        "SELECT name, json_extract(settings, '$.type') FROM argilla.fields WHERE dataset_id = ? "
        "ORDER BY inserted_at, id",
        (dataset_id,),
    )
    return [(name, kind) for name, kind in rows if kind in _SEARCHABLE_TYPES]


def _save_document(connection: sqlite3.Connection, dataset_id: str, record_id: str, stamp: str) -> int:
    (document_id,) = connection.execute(
        "INSERT INTO documents (record_id, dataset_id, stamp) VALUES (?, ?, ?) "
        "ON CONFLICT (record_id) DO UPDATE SET stamp = excluded.stamp RETURNING id",
        (record_id, dataset_id, stamp),
    ).fetchone()
    return int(document_id)


def _save_text(
    connection: sqlite3.Connection,
    dataset_id: str,
    document_id: int,
    fields: list[tuple[str, str]],
    values: dict[str, Any],
) -> None:
    texts = [searchable_text(values.get(name), kind) for name, kind in fields]
    columns = ", ".join(column_of(name) for name, _ in fields)
    marks = ", ".join("?" for _ in fields)
    connection.execute(f"DELETE FROM {table_of(dataset_id)} WHERE rowid = ?", (document_id,))
    connection.execute(
        f"INSERT INTO {table_of(dataset_id)} (rowid, {columns}) VALUES (?, {marks})", (document_id, *texts)
    )


def _save_embeddings(connection: sqlite3.Connection, ids: str) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO embeddings (settings_id, document_id, vector) "
        "SELECT vectors.vector_settings_id, documents.id, unit_vector(vectors.value) "
        "FROM argilla.vectors JOIN documents ON documents.record_id = vectors.record_id "
        "WHERE vectors.record_id IN (SELECT value FROM json_each(?))",
        (ids,),
    )


def searchable_text(value: Any, kind: str) -> str:
    """What of a field's value can be searched: a chat's roles and messages, a custom field as it prints."""
    if value is None:
        return ""
    if kind == "chat":
        return spaced("\n".join(f"{message['role']}: {message['content']}" for message in value))
    return spaced(value if isinstance(value, str) else str(value))
