"""From what somebody typed to what is looked for: words, a row's own texts, or the names behind a pseudonym."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tuneloop.data.forgotten import strings_in
from tuneloop.errors import DataError
from tuneloop.tombstones import mark, normalise
from tuneloop.workflows.forgetting.databases import account_names
from tuneloop.workflows.forgetting.lines import parsed_object, read_objects
from tuneloop.workflows.forgetting.wanted import (
    ID_KEYS,
    MIN_CHARACTERS,
    MIN_OWN_CHARACTERS,
    Wanted,
    require_not_reserved,
)

PSEUDONYM = re.compile(r"reviewer-[0-9a-f]{12}")
_TEXTS = ("messages", "rejected", "prompt", "answer", "completion", "sent", "correction", "chosen", "alternative")


def wanted_of(
    request: str,
    workspace: Path,
    key: bytes,
    pseudonym_of: Callable[[str], str],
    named: Callable[[str], str],
    *,
    was_id: bool = False,
) -> Wanted:
    """What the request means: words, the id of a row, or a reviewer's pseudonym.

    Args:
        request: as it was typed.
        workspace: in which rows and accounts are looked for.
        key: of the tombstones.
        pseudonym_of: Argilla's user id -> pseudonym.
        named: a reviewer's name in a sheet -> pseudonym.
        was_id: it meant a row when it was forgotten before, and so it still does, though the row may be gone.

    Raises:
        DataError: it is too short to mean one person's words, or no account has this pseudonym.
    """
    request = request.strip()
    if PSEUDONYM.fullmatch(request):
        return _of_reviewer(request, workspace, pseudonym_of)
    ids = _ids_like(request)
    bare = json.dumps(request.removeprefix("traffic/"), ensure_ascii=False)[1:-1]
    rows = [row for row in _rows(workspace, bare) if _is_named(row, ids)]
    if rows or was_id:
        return Wanted(texts=_own_texts(rows, ids, workspace), ids=ids, name=_stranger(key, request))
    if len(normalise(request)) < MIN_CHARACTERS:
        raise DataError(
            f"no row has this id, and as words it is too short: give at least {MIN_CHARACTERS} characters, as fewer "
            "stand in too many rows of other people"
        )
    require_not_reserved([normalise(request)])
    name = _name_for(request, workspace, pseudonym_of, named) or _stranger(key, request)
    return Wanted(texts=(normalise(request),), name=name)


def _of_reviewer(pseudonym: str, workspace: Path, pseudonym_of: Callable[[str], str]) -> Wanted:
    accounts = account_names(workspace / "argilla" / "argilla.db", "users")
    names = {n for user, names in accounts.items() if pseudonym_of(user) == pseudonym for n in names}
    texts = tuple(sorted(t for t in map(normalise, names) if len(t) >= MIN_CHARACTERS))
    require_not_reserved(texts)
    if not texts:
        raise DataError(
            f"no account of this workspace has the pseudonym {pseudonym} and a name that can be looked for: its "
            "answers are anonymous already. Where the reviewer filled in sheets, give the name as it stands there"
        )
    return Wanted(texts=texts, name=pseudonym)


def _name_for(
    request: str, workspace: Path, pseudonym_of: Callable[[str], str], named: Callable[[str], str]
) -> str | None:
    """The pseudonym that answers carry already, where the request is a reviewer's name."""
    for user, names in account_names(workspace / "argilla" / "argilla.db", "users").items():
        if normalise(request) in map(normalise, names):
            return pseudonym_of(user)
    answers = sorted(workspace.glob("review-files/*/.desk/answers.jsonl"))
    reviewers = {row.get("reviewer") for file in answers for row in read_objects(file)}
    return named(request) if named(request) in reviewers else None


def _stranger(key: bytes, request: str) -> str:
    """What stands for a whole name of somebody who has reviewed nothing."""
    return f"person-{mark(key, 'name', normalise(request))[:8]}"


def _ids_like(request: str) -> frozenset[str]:
    """An answer that was sent goes by its traffic id, in the feedback with `traffic/` before it."""
    bare = request.removeprefix("traffic/")
    return frozenset({request, bare, f"traffic/{bare}"})


def _rows(workspace: Path, holding: str = "") -> Iterator[Any]:
    """Rows of data versions, of what was set aside, of traffic and feedback; those in which `holding` stands."""
    from pyarrow import parquet

    for file in sorted((workspace / "data").glob("[!.]*/*.parquet")):
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(columns=["record"]):
                yield from (json.loads(text) for text in batch.column(0).to_pylist() if holding in text)
    for folder in sorted((workspace / "data").glob("[!.]*")):
        for gone in read_objects(folder / "quarantine.jsonl", holding=holding):
            yield {**gone, "id": f"{gone.get('source')}:{gone.get('line')}"}
    for pattern in ("traffic/*.jsonl", "feedback/*/*.jsonl", "feedback/*/sets/*.jsonl"):
        for file in sorted(workspace.glob(pattern)):
            yield from read_objects(file, holding=holding)


def _is_named(row: Any, ids: frozenset[str]) -> bool:
    return isinstance(row, dict) and any(str(row.get(key)) in ids for key in ID_KEYS & row.keys())


def _own_texts(rows: Iterable[Any], ids: frozenset[str], workspace: Path) -> tuple[str, ...]:
    """The texts of these rows that no other row has: those are nobody else's words."""
    own = {text for row in rows for text in _texts(row)}
    for row in _rows(workspace):
        if own and not _is_named(row, ids) and not _is_made_of(row, ids):
            own -= set(_texts(row))
    return tuple(sorted(own))


def _is_made_of(row: Any, ids: frozenset[str]) -> bool:
    """Copies that were set aside in favour of one of the rows, synthetic rows made of it, and what reviewers were shown
    of it and said: no other person's words."""
    if not isinstance(row, dict):
        return False
    extra: dict[str, Any] = row["extra"] if isinstance(row.get("extra"), dict) else {}
    is_review = "review_set" in row or "review_set" in extra or {"scores", "model"} <= row.keys()
    return is_review or any(text in ids for text in strings_in([extra, row.get("labels"), row.get("related")]))


def _texts(row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        return
    inner = row.get("raw")
    content = parsed_object(inner) if isinstance(inner, str) else None
    for source in (row, content or {}):
        for text in strings_in([source.get(name) for name in _TEXTS]):
            if len(plain := normalise(text)) >= MIN_OWN_CHARACTERS:
                yield plain
