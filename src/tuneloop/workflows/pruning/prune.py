"""Pruning: what is older than an age and needed by nothing current goes; what stays is named, with the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from tuneloop.data.snapshots import list_manifests, read_quarantine
from tuneloop.data.staging import rejection_line
from tuneloop.drift.watching import last_drift
from tuneloop.errors import DataError
from tuneloop.registry.known_rounds import HashOf
from tuneloop.review.collecting import ACCEPTED
from tuneloop.workflows.forgetting.lines import held, read_objects
from tuneloop.workflows.forgetting.rewriting import delete, rewritten
from tuneloop.workflows.pruning.needed import needed_versions
from tuneloop.workspaces import drift_file, feedback_folder

CACHES = ("generations/*.jsonl", "judgements/*.jsonl", "prefect/results/*")
LEFTOVERS = ("models/*/.*-unfinished", "exports/.*-unfinished", "data/.staging-*", "data/.version-*", "data/.pruned-*")


@dataclass(frozen=True)
class Removal:
    """`what` goes from `path`, and `bytes` with it; `rows` where only some of a file's rows do."""

    what: str
    path: Path
    bytes: int
    carry_out: Callable[[], None] = field(repr=False)
    rows: int | None = None


@dataclass(frozen=True)
class Pruning:
    """What would go, and what is old enough to go but stays: path -> why."""

    removals: list[Removal]
    kept: dict[str, str]

    @property
    def bytes(self) -> int:
        return sum(removal.bytes for removal in self.removals)


def plan(workspace: Path, *, older_than: timedelta, keep: int, hash_of: HashOf, now: datetime | None = None) -> Pruning:
    """Look what may go; nothing is changed. `keep` is how many of each recipe's latest data versions stay in any case.

    Raises:
        DataError: a round or the audit trail cannot be read, so nobody can say what is needed.
    """
    before = (now or datetime.now(UTC)) - older_than
    needed = needed_versions(workspace, keep, hash_of)
    kept: dict[str, str] = {}
    removals = [
        *_versions(workspace, before, needed, kept),
        *_quarantines(workspace, before, needed),
        *_old_files(workspace, "refused rows", ("data/blocked-*.jsonl",), before),
        *_traffic(workspace, before, kept),
        *_old_files(workspace, "cache", CACHES, before),
        *_trainings(workspace, before, kept),
        *_old_files(workspace, "leftovers of a killed run", LEFTOVERS, before),
    ]
    return Pruning(removals, kept)


def carry_out(pruning: Pruning) -> Iterator[Removal]:
    """Remove one thing after the other; killed in between, the next call goes on."""
    for removal in pruning.removals:
        removal.carry_out()
        yield removal


def _versions(workspace: Path, before: datetime, needed: dict[str, str], kept: dict[str, str]) -> Iterator[Removal]:
    for manifest in list_manifests(workspace):
        folder = workspace / "data" / manifest.version
        if datetime.fromisoformat(manifest.created_at) >= before:
            continue
        if manifest.version in needed:
            kept[f"data/{manifest.version}"] = needed[manifest.version]
        else:
            yield Removal("data version", folder, _size(folder), partial(_remove_folder, folder))


def _remove_folder(folder: Path) -> None:
    """Under a name that nobody lists, so that a kill leaves no half of a version."""
    gone = folder.with_name(f".pruned-{folder.name}")
    if folder.exists():
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
    delete(gone)


def _quarantines(workspace: Path, before: datetime, needed: dict[str, str]) -> Iterator[Removal]:
    """Raw rows that were set aside for old versions that stay: reasons and places are kept, texts are not."""
    for manifest in list_manifests(workspace):
        folder = workspace / "data" / manifest.version
        file = folder / "quarantine.jsonl"
        is_old = datetime.fromisoformat(manifest.created_at) < before and manifest.version in needed
        rows = [r for r in read_quarantine(folder) if r.raw is not None] if is_old and file.is_file() else []
        if rows:
            size = sum(len((r.raw or "").encode(errors="replace")) for r in rows)
            yield Removal("texts of quarantined rows", file, size, partial(_without_texts, file), rows=len(rows))


def _without_texts(file: Path) -> None:
    with rewritten(file) as draft, draft.open("w", encoding="utf-8", errors="surrogatepass") as stream:
        stream.writelines(rejection_line(replace(r, raw=None)) for r in read_quarantine(file.parent))


def _traffic(workspace: Path, before: datetime, kept: dict[str, str]) -> Iterator[Removal]:
    """Old rows of the log; those that somebody edited and that nothing was learned from yet stay, as does the window
    that people are asked about."""
    for file in sorted((workspace / "traffic").glob("*.jsonl")):
        window = _window(workspace, file)
        accepted = {r.get("id") for r in read_objects(feedback_folder(workspace, file.stem) / ACCEPTED)}
        old: set[str] = set()
        for row in read_objects(file):
            if not _is_before(str(row.get("time", "")), before):
                continue
            name = str(row.get("id"))
            if name in window:
                kept[f"traffic/{file.name}: row {name}"] = "it is in the window that drifted last"
            elif str(row.get("sent") or "").strip() and f"traffic/{name}" not in accepted:
                kept[f"traffic/{file.name}: row {name}"] = "its answer was sent and is not collected yet"
            else:
                old.add(name)
        if old:
            size = sum(len(json.dumps(r, ensure_ascii=False)) for r in read_objects(file) if str(r.get("id")) in old)
            yield Removal("traffic", file, size, partial(_without_rows, file, frozenset(old)), rows=len(old))


def _window(workspace: Path, file: Path) -> set[str]:
    from tuneloop.drift.traffic import read_window

    drift = last_drift(drift_file(workspace, file.stem))
    if drift is None or drift.window_end is None:
        return set()
    return {row.id for row in read_window(file, drift.window_end, drift.window_rows)}


def _without_rows(file: Path, names: frozenset[str]) -> None:
    with held(file), rewritten(file) as draft, draft.open("wb") as stream, file.open("rb") as lines:
        stream.writelines(line for line in lines if _id_of(line) not in names)


def _id_of(line: bytes) -> str | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return str(row.get("id")) if isinstance(row, dict) else None


def _is_before(time: str, before: datetime) -> bool:
    """A row without a time that can be read is never too old."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return False
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < before


def _trainings(workspace: Path, before: datetime, kept: dict[str, str]) -> Iterator[Removal]:
    """Folders of trainings that never came to a report: what a failed or killed one has left."""
    for folder in sorted((workspace / "models").glob("*/*")):
        if folder.parent.name == "base" or not folder.is_dir() or folder.name.startswith("."):
            continue
        if (folder / "report.json").is_file() or (folder / "adapter").is_dir():
            continue
        if _last_change(folder) < before.timestamp():
            yield Removal("leftovers of a training", folder, _size(folder), partial(delete, folder))
        else:
            kept[folder.relative_to(workspace).as_posix()] = "a training was at work here lately"


def _old_files(workspace: Path, what: str, patterns: tuple[str, ...], before: datetime) -> Iterator[Removal]:
    for pattern in patterns:
        for path in sorted(workspace.glob(pattern)):
            if _last_change(path) < before.timestamp():
                yield Removal(what, path, _size(path), partial(delete, path))


def _last_change(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else ()
    return max([path.stat().st_mtime, *(file.stat().st_mtime for file in files)])


def _size(path: Path) -> int:
    files = (p for p in path.rglob("*") if p.is_file()) if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files)


def age(text: str) -> timedelta:
    """`90d`, `12w` or `36h` as a time.

    Raises:
        DataError: it is none of these.
    """
    units = {"h": "hours", "d": "days", "w": "weeks"}
    number, unit = text[:-1], text[-1:]
    if not (number.isdecimal() and unit in units and len(number) <= 5):  # noqa: PLR2004
        raise DataError(f"{text!r} is no age: write 90d, 12w or 36h")
    return timedelta(**{units[unit]: int(number)})
