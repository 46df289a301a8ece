"""What upstream's engine tests do to Elasticsearch behind the engine's back, done to Argilla's tables.

The tests write responses, vectors and texts straight into the index. Our engine reads Argilla's tables, so they must be
written there. Mappings and stored documents have no counterpart: a test that looks at them fails here.
"""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from argilla_embedded.search.documents import index_records
from argilla_embedded.search.engine import SQLiteSearchEngine
from opensearchpy.serializer import JSONSerializer

Json = dict[str, Any]
_TIMES = dict.fromkeys(("inserted_at", "updated_at"), "2025-01-01 00:00:00.000000")


class Indices:
    """Indices are made and dropped by our engine; nothing has to be refreshed."""

    def create(self, **_: object) -> None:
        pass

    refresh = delete = create


class Transport:
    serializer = JSONSerializer()


class Elasticsearch:
    """The client that the tests use beside the engine."""

    indices = Indices()
    transport = Transport()

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect

    def get(self, index: str, id: UUID) -> Json:  # noqa: A002  upstream's name
        rows = self._connect().execute(
            'SELECT id, user_id, status, "values" FROM argilla.responses WHERE record_id = ?', (id.hex,)
        )
        return {"_source": {"responses": [_document(*row) for row in rows]}}

    def update(self, index: str, id: UUID, body: Json) -> None:  # noqa: A002
        for document in body["doc"]["responses"]:
            _save_response(self._connect(), id.hex, document)

    def bulk(self, body: str, **_: object) -> Json:
        lines = [json.loads(line) for line in body.splitlines()]
        actions = list(zip(lines[::2], lines[1::2], strict=True))
        for action, document in actions:
            _save_text(self._connect(), UUID(action["index"]["_id"]).hex, document["fields"])
        return {"items": [{"index": {"status": 200}} for _ in actions]}


@dataclass(frozen=True)
class BoundEngine(SQLiteSearchEngine):
    """The engine with the back door through which the tests write vectors."""

    async def _bulk_op_request(self, actions: list[Json]) -> None:
        # The vectors are rows in Argilla's table already, as they are in a real server.
        ids = {action["_id"].hex for action in actions}
        await self.storage.write(lambda connection: _index(connection, ids))


def _document(response_id: str, user_id: str, status: str, values: str) -> Json:
    answers = {name: answer["value"] for name, answer in json.loads(values).items()}
    return {"id": str(UUID(response_id)), "user_id": str(UUID(user_id)), "status": status, **answers}


def _save_response(connection: sqlite3.Connection, record_id: str, document: Json) -> None:
    response_id, user_id = UUID(document["id"]).hex, UUID(document["user_id"]).hex
    given = connection.execute("SELECT id, user_id FROM argilla.responses WHERE record_id = ?", (record_id,)).fetchall()
    if response_id in {row[0] for row in given}:
        return
    if user_id in {row[1] for row in given}:
        # A user has one response to a record, which these documents do not respect: say that another user gave it.
        user_id = _new_user(connection)
    values = json.dumps({"rating": {"value": document["rating"]}})
    links = {"record_id": record_id, "user_id": user_id}
    _insert(connection, "responses", id=response_id, status=document["status"], values=values, **links)


def _new_user(connection: sqlite3.Connection) -> str:
    user_id = uuid4().hex
    names = dict.fromkeys(("id", "first_name", "username", "api_key"), user_id)
    _insert(connection, "users", role="annotator", password_hash="", **names)
    return user_id


def _save_text(connection: sqlite3.Connection, record_id: str, fields: Json) -> None:
    (dataset_id,) = connection.execute("SELECT dataset_id FROM argilla.records WHERE id = ?", (record_id,)).fetchone()
    connection.execute("UPDATE argilla.records SET fields = ? WHERE id = ?", (json.dumps(fields), record_id))
    settings = json.dumps({"type": "text", "use_markdown": False})
    for name in fields:
        attributes = {"name": name, "title": name, "required": 0, "settings": settings, "dataset_id": dataset_id}
        _insert(connection, "fields", id=uuid4().hex, **attributes)
    index_records(connection, dataset_id, [record_id])


def _insert(connection: sqlite3.Connection, table: str, **values: Any) -> None:
    values |= _TIMES
    columns, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" for _ in values)
    connection.execute(f"INSERT OR IGNORE INTO argilla.{table} ({columns}) VALUES ({marks})", tuple(values.values()))


def _index(connection: sqlite3.Connection, record_ids: set[str]) -> None:
    one = next(iter(record_ids))
    (dataset_id,) = connection.execute("SELECT dataset_id FROM argilla.records WHERE id = ?", (one,)).fetchone()
    index_records(connection, dataset_id, record_ids)
