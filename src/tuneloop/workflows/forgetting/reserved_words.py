"""Words that the workspace's own files and the servers' databases are written in: nobody's, and not to be erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer
from tuneloop.results import DataManifest, Round
from tuneloop.tombstones import normalise

SERVERS = """
    submitted pending completed draft discarded ready annotator owner admin overlap strategy min_submitted values label
    suggestion response record running scheduled failed crashed cancelled cancelling paused finished killed active
    deleted messages content user assistant system train validation test private quarantine value name kind source
    prompt answer mlflow prefect argilla champion candidate previous promotion_seal served_path model_hash
    verdict_sha256
"""


def require_not_reserved(texts: Iterable[str]) -> None:
    """Refuse a text that is part of such a word.

    Raises:
        DataError: it is.
    """
    looked_for = list(texts)
    ours = [word for word in reserved_words() if any(text in word for text in looked_for)]
    if ours:
        raise DataError(
            f"it is part of the word `{min(ours)}`, in which the workspace's files are written, and they could not be "
            "read any more: give more of the text, such as a whole name"
        )


@cache
def reserved_words() -> frozenset[str]:
    """Names of fields, and values that are one of a few."""
    schemas = [model.model_json_schema() for model in (DataManifest, Round)]
    own = {text for schema in schemas for text in _words_of(schema)}
    return frozenset(map(normalise, own | {field.name for field in fields(ReviewAnswer)} | set(SERVERS.split())))


def _words_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for inner in schema:
            yield from _words_of(inner)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (str(value) for value in [*schema.get("enum", []), schema.get("const", "")])
        for inner in schema.values():
            yield from _words_of(inner)
