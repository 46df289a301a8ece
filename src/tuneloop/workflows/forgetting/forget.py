"""Forgetting: look everywhere, say what was found, then erase; killed at any moment, the same call again finishes.

The tombstones come first, so that nothing erased can come in again. Data versions come last: until then the rows are
there that say what to look for in all other places.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.files import lock
from tuneloop.registry.known_rounds import HashOf
from tuneloop.tombstones import (
    add_entries,
    content_entry,
    mark,
    read_entries,
    row_entry,
    text_entry,
    tombstone_key,
)
from tuneloop.workflows.forgetting.databases import Database
from tuneloop.workflows.forgetting.lines import changed_seals, changed_verdicts
from tuneloop.workflows.forgetting.models import (
    TrainedModel,
    close_version,
    open_version,
    open_versions,
    trained_models,
)
from tuneloop.workflows.forgetting.places import OutsideSource, Place, eraser_of, files_in, outside_sources, places
from tuneloop.workflows.forgetting.requests import wanted_of
from tuneloop.workflows.forgetting.rewriting import delete
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted

LOCK = "forgetting.lock"
OTHER_FILES = "files that are no place of ours"
Report = Callable[[int, int], None]
"""Told (files done, files in all)."""


@dataclass(frozen=True)
class Forgetting:
    """What was found, and what is to be done about it.

    `counts`: place -> rows, cells or strings. `unreadable` are files of unknown kind that hold the words: only their
    owner can erase them. `unfinished`: the same was begun before and has not ended.
    """

    workspace: Path
    request_mark: str
    wanted: Wanted = field(repr=False)
    gathered: Gathered = field(repr=False)
    counts: dict[str, int]
    files: dict[str, int]
    models: list[TrainedModel]
    outside: list[OutsideSource]
    undeclared: list[str]
    unreadable: list[str]
    verdicts: list[str]
    unfinished: bool = False
    others_unfinished: tuple[str, ...] = ()
    """When other requests were begun that have not ended."""

    @property
    def is_nothing(self) -> bool:
        return not (self.files or self.unfinished)

    @property
    def total(self) -> int:
        return sum(self.files.values())


@dataclass(frozen=True)
class Names:
    """How people are named: Argilla's user id -> pseudonym, a name in a sheet -> pseudonym; and of a folder's files ->
    hash, for adapters that later models went on from."""

    of_account: Callable[[str], str]
    of_sheet: Callable[[str], str]
    hash_of: HashOf


def plan(workspace: Path, root: Path, request: str, names: Names, *, report: Report = lambda *_: None) -> Forgetting:
    """Look everywhere for what is requested; nothing is changed.

    Raises:
        DataError: the request is too short, or a file is damaged.
    """
    key, request = tombstone_key(workspace), request.strip()
    before = [e for e in read_entries(workspace) if e.get("mark") == mark(key, "request", request)]
    was_id = any(entry.get("is_id") for entry in before)
    wanted = wanted_of(request, workspace, key, names.of_account, names.of_sheet, was_id=was_id)
    wanted = replace(wanted, seals=changed_seals(workspace, wanted))
    gathered = Gathered()
    files: dict[str, int] = {}
    rows = 0
    for path, count, _ in _walk(workspace, wanted, gathered, names, report):
        files[path] = count
        if gathered.count > rows:
            gathered.note_version(path)
            rows = gathered.count
    following = wanted.following(gathered)
    files |= {p: n for p, n, _ in _walk(workspace, following, Gathered(), names, lambda *_: None, only_following=True)}
    found = {path: count for path, count in files.items() if count > 0}
    table = places()
    return Forgetting(
        workspace=workspace,
        request_mark=mark(key, "request", request),
        wanted=wanted,
        gathered=gathered,
        counts=_by_place(found, table),
        files=found,
        models=trained_models(workspace, gathered.versions, names.hash_of),
        outside=outside_sources(workspace, root, wanted),
        undeclared=[p for p in files if _place_of(p, table) is None],
        unreadable=sorted(path for path, count in files.items() if count < 0),
        verdicts=changed_verdicts(workspace, wanted),
        unfinished=bool(before) and before[-1]["kind"] == "begun",
        others_unfinished=_others_unfinished(workspace, mark(key, "request", request)),
    )


def carry_out(found: Forgetting, names: Names, *, by: str, because: str, report: Report = lambda *_: None) -> None:
    """Erase what `plan` has found, and look again.

    Raises:
        DataError: something of it is still there, in files that the message names. ServiceError: a server is at work.
    """
    workspace = found.workspace
    with _alone(workspace):
        _leave_tombstones(found, by, because)
        for folder in open_versions(workspace):
            close_version(folder)
        for _ in _walk(workspace, found.wanted, Gathered(), names, report, following=found, write=True):
            pass
        for folder in open_versions(workspace):
            close_version(folder)
        _require_gone(found, names)
        done = {"kind": "done", "mark": found.request_mark, "at": _now(), "counts": found.counts}
        add_entries(workspace, [done])


def _walk(
    workspace: Path,
    wanted: Wanted,
    gathered: Gathered,
    names: Names,
    report: Report,
    *,
    following: Forgetting | None = None,
    only_following: bool = False,
    write: bool = False,
) -> Iterator[tuple[str, int, Place | None]]:
    """(path in the workspace, how often it stands there, place) of every file, in the order of the table; -1: it stands
    there, and nobody knows how to erase it."""
    table = places(names.of_account)
    chosen = [(f, p) for f, p in _ordered(workspace, table) if not only_following or (p and p.follows)]
    more = wanted.following(following.gathered) if following else wanted
    for number, (file, place) in enumerate(chosen, start=1):
        path = file.relative_to(workspace).as_posix()
        if not file.exists():
            continue  # a folder before it has gone as a whole
        if place is not None and place.derived:
            if write:
                delete(file)
            continue
        if following and not _is_to_be_written(path, place, following):
            continue
        this = more if place is not None and place.follows else wanted
        yield path, _erased(file, place, this, gathered, write=write), place
        report(number, len(chosen))


def _erased(file: Path, place: Place | None, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    erase = place.erase if place is not None else eraser_of(file)
    if erase is None:
        return -1 if place is None and wanted.stands_in(file.read_bytes().decode("utf-8", "replace")) else 0
    if write and file.parent.parent.name == "data" and file.suffix in {".parquet", ".jsonl"}:
        open_version(file.parent)
    return erase(file, wanted, gathered, write=write)


def _is_to_be_written(path: str, place: Place | None, found: Forgetting) -> bool:
    """What was found, and every database: those are written anew in any case."""
    return path in found.files or (place is not None and isinstance(place.erase, Database))


def _ordered(workspace: Path, table: tuple[Place, ...]) -> list[tuple[Path, Place | None]]:
    """Files of no place of ours first, then by the table."""
    found = [(file, _place_of(file.relative_to(workspace).as_posix(), table)) for file in files_in(workspace)]
    return sorted(found, key=lambda pair: -1 if pair[1] is None else table.index(pair[1]))


def _place_of(path: str, table: tuple[Place, ...]) -> Place | None:
    return next((place for place in table if place.has(path)), None)


def _by_place(files: dict[str, int], table: tuple[Place, ...]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for path, count in files.items():
        place = _place_of(path, table)
        counts[place.name if place else OTHER_FILES] += count
    return dict(counts)


def _others_unfinished(workspace: Path, request_mark: str) -> tuple[str, ...]:
    last = {e["mark"]: e for e in read_entries(workspace) if e["kind"] in {"begun", "done"}}
    return tuple(e["at"] for m, e in last.items() if m != request_mark and e["kind"] == "begun")


def _leave_tombstones(found: Forgetting, by: str, because: str) -> None:
    key = tombstone_key(found.workspace)
    begun = {
        "kind": "begun",
        "mark": found.request_mark,
        "at": _now(),
        "by": by,
        "because": because,
        "is_id": bool(found.wanted.ids),
        "rows": len(found.gathered.rows),
        "models": [model.as_entry() for model in found.models],
    }
    marks = (
        [row_entry(key, source, row_id) for source, row_id in sorted(found.gathered.rows)]
        + [content_entry(key, text) for text in found.wanted.texts]
        if found.wanted.ids
        else [text_entry(key, text) for text in found.wanted.texts]
    )
    add_entries(found.workspace, [begun, *marks])


def _require_gone(found: Forgetting, names: Names) -> None:
    walk = _walk(found.workspace, found.wanted, Gathered(), names, lambda *_: None)
    left = [path for path, count, _ in walk if count]
    if left:
        raise DataError(
            f"it still stands in {', '.join(left)}, of which nobody knows how to erase it: delete "
            f"{'the file' if len(left) == 1 else 'these files'} yourself, and run the command again"
        )


@contextmanager
def _alone(workspace: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(workspace / LOCK, timeout_seconds=0))
        except TimeoutError:
            raise DataError("another `tuneloop forget` is at work in this workspace: wait for it") from None
        yield


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
