"""Argilla's filters as SQL conditions over its own tables; `records` is in scope wherever they are used."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import UUID

from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import User
from argilla_server.search_engine import (
    AndFilter,
    Filter,
    FilterScope,
    MetadataFilterScope,
    RangeFilter,
    RecordFilterScope,
    ResponseFilterScope,
    SuggestionFilterScope,
    TermsFilter,
)

from argilla_embedded.search.sql import ALWAYS, Sql, all_of, any_of, negated

Condition = Callable[[str], Sql]  # from the SQL name of a value to a condition on it

_DATE_PROPERTIES = ("inserted_at", "updated_at")


def filter_condition(filter_: Filter) -> Sql:
    """The records that pass; a filter on a list passes when any element does."""
    if isinstance(filter_, AndFilter):
        return all_of(filter_condition(child) for child in filter_.filters)
    scope = filter_.scope
    if isinstance(scope, RecordFilterScope):
        return _record_condition(str(scope.property), filter_)
    if isinstance(scope, ResponseFilterScope) and scope.question is None:
        return _response_status_condition(scope.user, filter_)
    holds = _value_condition(filter_)("element.value")
    elements = elements_of(scope)
    return Sql(f"EXISTS (SELECT 1 {elements.text} AND {holds.text})", elements.params + holds.params)


def elements_of(scope: FilterScope) -> Sql:
    """`FROM ... WHERE ...` that lists the values in a scope for the current record, as `element.value`."""
    if isinstance(scope, MetadataFilterScope):
        return metadata_elements(scope.metadata_property)
    if isinstance(scope, SuggestionFilterScope):
        return _suggestion_elements(scope)
    if isinstance(scope, ResponseFilterScope):
        return _response_elements(scope)
    raise TypeError(f"no list of values for {scope}")


def metadata_elements(name: str) -> Sql:
    """Names are compared, never written into a JSON path: a path cannot hold every name."""
    as_list = (
        "CASE entry.type WHEN 'array' THEN entry.value WHEN 'true' THEN '[\"true\"]' WHEN 'false' THEN '[\"false\"]' "
        "ELSE json_array(entry.value) END"
    )
    return Sql(
        f"FROM json_each(records.metadata) AS entry, json_each({as_list}) AS element "
        "WHERE entry.key = ? AND element.value IS NOT NULL",
        (name,),
    )


def _suggestion_elements(scope: SuggestionFilterScope) -> Sql:
    # Handlers pass the text "None" when the request names no property.
    column = scope.property if scope.property in ("score", "agent", "type") else "value"
    as_json = f"suggestions.{column}" if column in ("value", "score") else f"json_array(suggestions.{column})"
    return Sql(
        "FROM argilla.suggestions JOIN argilla.questions ON questions.id = suggestions.question_id, "
        f"json_each({as_json}) AS element WHERE suggestions.record_id = records.id AND questions.name = ? "
        "AND element.value IS NOT NULL",
        (scope.question,),
    )


def _response_elements(scope: ResponseFilterScope) -> Sql:
    mine = of_user(scope.user)
    if scope.question is None:
        values = Sql("json_each(json_array(responses.status)) AS element WHERE 1")
    else:
        values = Sql(
            "json_each(responses.\"values\") AS entry, json_each(entry.value, '$.value') AS element "
            "WHERE entry.key = ?",
            (scope.question,),
        )
    return Sql(
        f"FROM argilla.responses, {values.text} AND responses.record_id = records.id AND {mine.text} "
        "AND element.value IS NOT NULL",
        values.params + mine.params,
    )


def of_user(user: User | None) -> Sql:
    """Restrict `responses` to one user's; without this, one annotator would see another's work."""
    return Sql("responses.user_id = ?", (user.id.hex,)) if user else Sql("1")


def _response_status_condition(user: User | None, filter_: TermsFilter | RangeFilter) -> Sql:
    if not isinstance(filter_, TermsFilter):
        raise UnprocessableEntityError("a response status can be filtered by terms only")
    statuses = {str(value) for value in filter_.values}
    if not statuses:
        return _answered(user) if user else ALWAYS
    choices = [_answered(user, statuses - {"pending"})] if statuses != {"pending"} else []
    if "pending" in statuses:
        choices.append(negated(_answered(user)))
    return any_of(choices)


def _answered(user: User | None, statuses: set[str] | None = None) -> Sql:
    """Records with a response by the user, or by anybody, with one of the statuses, or with any."""
    chosen = Sql("responses.status IN (SELECT value FROM json_each(?))", (json.dumps(sorted(statuses or ())),))
    responses = all_of([of_user(user), *([chosen] if statuses is not None else [])])
    if user is None:
        of_record = "responses.record_id = records.id"
        return Sql(f"EXISTS (SELECT 1 FROM argilla.responses WHERE {of_record} AND {responses.text})", responses.params)
    # One person's answers are few: a list of them is found once, faster than a look-up per record.
    answered = f"SELECT responses.record_id FROM argilla.responses WHERE {responses.text}"
    return Sql(f"records.id IN ({answered})", responses.params)


def _record_condition(name: str, filter_: TermsFilter | RangeFilter) -> Sql:
    column = f"records.{name}"
    if name in _DATE_PROPERTIES:
        return _date_condition(filter_)(column)
    if isinstance(filter_, RangeFilter):
        return _between(column, filter_.ge, filter_.le)
    values = [_stored_id(value) for value in filter_.values] if name == "id" else filter_.values
    return _is_one_of(values)(column)


def _stored_id(value: str) -> str:
    try:
        return UUID(value).hex
    except ValueError:
        return value  # matches nothing


def _value_condition(filter_: TermsFilter | RangeFilter) -> Condition:
    if isinstance(filter_, TermsFilter):
        # Terms always arrive as text, also those for a rating or a number in the metadata.
        numbers = [number for value in filter_.values if isinstance(number := _number_or_text(value), float)]
        return _is_one_of([*filter_.values, *numbers])
    ge, le = _number_or_text(filter_.ge), _number_or_text(filter_.le)
    texts = [isinstance(bound, str) for bound in (ge, le) if bound is not None]
    if any(texts) and not all(texts):
        raise UnprocessableEntityError("a range is between two numbers or between two texts")
    if any(texts):
        return lambda value: all_of([Sql(f"typeof({value}) = 'text'"), _between(value, ge, le)])
    return lambda value: _between(number_in(value), ge, le)


def number_in(value: str) -> str:
    """The SQL of a value as a number, also where it was stored as text; null when it is none."""
    return f"CASE typeof({value}) WHEN 'text' THEN number_or_null({value}) ELSE {value} END"


def _is_one_of(values: list[Any]) -> Condition:
    return lambda name: Sql(f"{name} IN (SELECT value FROM json_each(?))", (json.dumps(values),))


def _between(value: str, ge: Any, le: Any) -> Sql:
    bounds = [(">=", ge), ("<=", le)]
    return all_of(Sql(f"{value} {sign} ?", (bound,)) for sign, bound in bounds if bound is not None)


def _number_or_text(value: float | str | None) -> float | str | None:
    try:
        number = None if value is None else float(value)
    except ValueError:
        return value
    # "nan" and "inf" are words that a text may hold; as numbers they would be no JSON.
    return number if number is None or isfinite(number) else str(value)


def _date_condition(filter_: TermsFilter | RangeFilter) -> Condition:
    if isinstance(filter_, TermsFilter):
        return _is_one_of([stored_date(value) for value in filter_.values])
    ge = None if filter_.ge is None else stored_date(filter_.ge)
    le = None if filter_.le is None else stored_date(filter_.le, is_upper=True)
    return lambda name: _between(name, ge, le)


def stored_date(value: float | str, *, is_upper: bool = False) -> str:
    """A moment as Argilla stores it: UTC without a zone. A number counts milliseconds since 1970.

    A bare day as an upper bound means its last microsecond, as in Elasticsearch.
    """
    number = _number_or_text(value)
    try:
        if isinstance(number, float):
            moment = datetime.fromtimestamp(number / 1000, UTC)
        else:
            moment = datetime.fromisoformat(str(value))
        if is_upper and len(str(value)) == len("2025-01-31"):
            moment = moment.replace(hour=23, minute=59, second=59, microsecond=999_999)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError) as error:
        raise UnprocessableEntityError(f"{value!r} is not an ISO 8601 date") from error
    return moment.isoformat(sep=" ", timespec="microseconds")
