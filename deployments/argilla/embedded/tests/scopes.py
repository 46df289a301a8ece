"""Filters and sort orders as the API spells them."""

from typing import Any

Json = dict[str, Any]


def record(name: str) -> Json:
    return {"entity": "record", "property": name}


def metadata(name: str) -> Json:
    return {"entity": "metadata", "metadata_property": name}


def suggestion(question: str, part: str = "value") -> Json:
    return {"entity": "suggestion", "question": question, "property": part}


def response(question: str) -> Json:
    return {"entity": "response", "question": question}


RESPONSE_STATUS: Json = {"entity": "response", "property": "status"}


def terms(scope: Json, *values: object) -> Json:
    return {"type": "terms", "scope": scope, "values": [str(value) for value in values]}


def between(scope: Json, ge: object = None, le: object = None) -> Json:
    return {"type": "range", "scope": scope, "ge": ge, "le": le}


def ascending(scope: Json) -> Json:
    return {"scope": scope, "order": "asc"}


def descending(scope: Json) -> Json:
    return {"scope": scope, "order": "desc"}
