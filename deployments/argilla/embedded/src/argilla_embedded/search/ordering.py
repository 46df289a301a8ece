"""Argilla's sort orders as SQL; records without a value come last, ascending and descending."""

from collections.abc import Iterable

from argilla_server.enums import SortOrder
from argilla_server.search_engine import Order, RecordFilterScope, ResponseFilterScope

from argilla_embedded.search.filters import elements_of
from argilla_embedded.search.sql import Sql

# Equal keys keep the order in which the records were logged.
_AS_LOGGED = "records.inserted_at, records.rowid"


def by_keys(orders: Iterable[Order]) -> Sql:
    keys = [_key(order) for order in orders]
    text = ", ".join(key.text for key in keys)
    return Sql(f"{text}, {_AS_LOGGED}", tuple(value for key in keys for value in key.params))


def by_score() -> Sql:
    return Sql(f"score DESC, {_AS_LOGGED}")


def shuffled(user_id: object) -> Sql:
    """An order of their own for every user, so that annotators do not all start with the same records.

    As upstream does, the score is multiplied by the user's number for the record: with a text query, good matches
    still tend to come first.
    """
    return Sql("score * shuffle_weight(records.id, ?) DESC", (str(user_id),))


def _key(order: Order) -> Sql:
    direction = "DESC" if order.order == SortOrder.desc else "ASC"
    value = _value(order, is_descending=direction == "DESC")
    return Sql(f"{value.text} {direction} NULLS LAST", value.params)


def _value(order: Order, *, is_descending: bool) -> Sql:
    scope = order.scope
    if isinstance(scope, RecordFilterScope):
        return Sql(f"records.{scope.property}")
    chosen = "max(element.value)" if is_descending else "min(element.value)"
    if isinstance(scope, ResponseFilterScope):
        # Several answers to a rating count with their mean; labels have none.
        number = "CASE WHEN typeof(element.value) IN ('integer', 'real') THEN element.value END"
        chosen = f"coalesce(avg({number}), {chosen})"
    elements = elements_of(scope)
    return Sql(f"(SELECT {chosen} {elements.text})", elements.params)
