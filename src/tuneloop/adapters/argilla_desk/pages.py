"""All records of a review set, page by page and each once."""

from __future__ import annotations

from collections.abc import Iterator

import httpx

from tuneloop.adapters.argilla_connection import Json
from tuneloop.errors import ServiceError

PAGE = 1000
"""The most that Argilla gives at a time, and the fastest: each page is a query that skips all records before it."""
_READINGS = 3


def records_in(http: httpx.Client, dataset: str, *, include: str | None = None) -> Iterator[Json]:
    """All records of a dataset; with `include="responses"`, everybody's responses come along.

    Argilla pages by the time of insertion, which records of one batch can share, so that a page may repeat one of the
    page before and leave another out. What was left out is found with pages cut elsewhere.

    Raises:
        ServiceError: it was not found; the next attempt will.
    """
    seen: set[str] = set()
    total = 0
    for reading in range(_READINGS):
        for page in _pages(http, dataset, include, PAGE - 7 * reading):
            total = page["total"]
            for record in page["items"]:
                if record["id"] not in seen:
                    seen.add(record["id"])
                    yield record
        if len(seen) >= total:
            return
    raise ServiceError(f"Argilla showed only {len(seen)} of {total} records; try again")


def _pages(http: httpx.Client, dataset: str, include: str | None, size: int) -> Iterator[Json]:
    query = {"include": include} if include else {}
    offset = 0
    while True:
        where = query | {"offset": str(offset), "limit": str(size)}
        page: Json = http.get(f"datasets/{dataset}/records", params=where).raise_for_status().json()
        yield page
        offset += len(page["items"])
        if len(page["items"]) < size:
            return
