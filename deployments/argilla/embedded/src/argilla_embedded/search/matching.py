"""A parsed text query as SQL over a dataset's full-text table."""

from dataclasses import dataclass

from argilla_embedded.search.documents import column_of, table_of
from argilla_embedded.search.query_syntax import And, Everything, Match, Node, Not, Or
from argilla_embedded.search.sql import ALWAYS, Sql, all_of, any_of, negated


@dataclass(frozen=True)
class TextSearch:
    """Which rows of `dataset_id`'s table match `tree`, in `field` only or in all fields together."""

    dataset_id: str
    tree: Node
    field: str | None = None

    def condition(self) -> Sql:
        """Holds for `documents` that match. Each term is looked up by itself, so terms may hit different fields."""
        return self._condition(self.tree)

    def scores(self) -> Sql:
        """`SELECT id, score`: BM25 over the terms that are not negated; higher is better."""
        table = table_of(self.dataset_id)
        expressions = [self._in_field(expression) for expression in _wanted(self.tree)]
        if not expressions:
            return Sql("SELECT NULL AS id, NULL AS score WHERE 0")
        found = f"SELECT rowid AS id, -rank AS score FROM {table} WHERE {table} MATCH ?"
        return Sql(found, (" OR ".join(expressions),))

    def _condition(self, node: Node) -> Sql:
        match node:
            case Everything():
                return ALWAYS
            case Not(child):
                return negated(self._condition(child))
            case And(left, right):
                return all_of([self._condition(left), self._condition(right)])
            case Or(left, right):
                return any_of([self._condition(left), self._condition(right)])
            case Match(expression):
                table = table_of(self.dataset_id)
                found = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
                return Sql(f"documents.id IN ({found})", (self._in_field(expression),))

    def _in_field(self, expression: str) -> str:
        return f"{{{column_of(self.field)}}} : ({expression})" if self.field else f"({expression})"


def _wanted(node: Node) -> list[str]:
    match node:
        case Match(expression):
            return [expression]
        case And(left, right) | Or(left, right):
            return _wanted(left) + _wanted(right)
        case _:
            return []
