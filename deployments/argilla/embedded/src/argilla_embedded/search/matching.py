"""A parsed text query as SQL over a dataset's full-text table."""

import json
from dataclasses import dataclass
from sqlite3 import Connection

from argilla_embedded.search.documents import column_of, table_of
from argilla_embedded.search.query_syntax import And, Everything, Match, Node, Not, Or
from argilla_embedded.search.sql import Sql


@dataclass(frozen=True)
class TextSearch:
    """Which rows of `dataset_id`'s table match `tree`, in `field` only or in all fields together."""

    dataset_id: str
    tree: Node
    field: str | None = None

    def condition(self, connection: Connection) -> Sql:
        """Holds for `documents` that match. Each term is looked up by itself, so terms may hit different fields.

        The tree is worked out here and not by SQLite, whose parser refuses statements that nest as deep as queries may.
        """
        matching = json.dumps(list(self._matching(connection, self.tree)))
        return Sql("documents.id IN (SELECT value FROM json_each(?))", (matching,))

    def scores(self) -> Sql:
        """`SELECT id, score`: BM25 over the terms that are not negated; higher is better."""
        table = table_of(self.dataset_id)
        expressions = [self._in_field(expression) for expression in _wanted(self.tree)]
        if not expressions:
            return Sql("SELECT NULL AS id, NULL AS score WHERE 0")
        found = f"SELECT rowid AS id, -rank AS score FROM {table} WHERE {table} MATCH ?"
        return Sql(found, (" OR ".join(expressions),))

    def _matching(self, connection: Connection, node: Node) -> set[int]:
        match node:
            case Everything():
                return _ids(connection, "SELECT id FROM documents WHERE dataset_id = ?", self.dataset_id)
            case Not(child):
                return self._matching(connection, Everything()) - self._matching(connection, child)
            case And(left, right):
                return self._matching(connection, left) & self._matching(connection, right)
            case Or(left, right):
                return self._matching(connection, left) | self._matching(connection, right)
            case Match(expression):
                table = table_of(self.dataset_id)
                found = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
                return _ids(connection, found, self._in_field(expression))

    def _in_field(self, expression: str) -> str:
        return f"{{{column_of(self.field)}}} : ({expression})" if self.field else f"({expression})"


def _ids(connection: Connection, statement: str, *params: str) -> set[int]:
    return {row[0] for row in connection.execute(statement, params)}


def _wanted(node: Node) -> list[str]:
    match node:
        case Match(expression):
            return [expression]
        case And(left, right) | Or(left, right):
            return _wanted(left) + _wanted(right)
        case _:
            return []
