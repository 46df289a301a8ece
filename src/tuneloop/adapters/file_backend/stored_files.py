"""What the backend stores: its review sets and the files that reviewers write into."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tuneloop.files import atomic_write
from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.review.rows import read_rows, write_rows


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A published review set; items in the order in which they were published."""

    name: str
    form: ReviewForm
    items: tuple[ReviewItem, ...]


def keep_set(folder: Path, kept: KeptSet) -> None:
    """Write or replace it in one step: its first line is the form, each further one an item."""
    lines = [{"form": asdict(kept.form)}, *({"item": asdict(item)} for item in kept.items)]
    write_rows(folder / f"{kept.name}.jsonl", lines)


def load_set(folder: Path, name: str) -> KeptSet | None:
    """The set of this name, None if there is none."""
    rows = read_rows(folder / f"{name}.jsonl")
    if not rows:
        return None
    form = rows[0]["form"]
    tuples = {key: tuple(form[key]) for key in ("issue_tags", "dimensions")}
    items = tuple(ReviewItem(**row["item"]) for row in rows[1:])
    return KeptSet(name, ReviewForm(**{**form, **tuples}), items)


def load_sets(folder: Path, project: str = "") -> list[KeptSet]:
    """All sets whose name starts with `project`, in the order of their names."""
    names = sorted(file.stem for file in folder.glob("*.jsonl"))
    return [kept for name in names if name.startswith(project) and (kept := load_set(folder, name)) is not None]


def with_missing(kept: KeptSet | None, name: str, form: ReviewForm, items: Sequence[ReviewItem]) -> KeptSet:
    """The set with the items that it does not have yet; what people may have answered already stays as it is."""
    there = kept.items if kept else ()
    known = {item.id for item in there}
    new = {item.id: item for item in items if item.id not in known}
    return KeptSet(name, kept.form if kept else form, (*there, *new.values()))


WRITTEN = "written.jsonl"


def write_unless_changed(path: Path, make: Callable[[], bytes], *, meaning: str, notes: Path) -> Path:
    """Write the file unless it is there, beside it if somebody has written into an earlier one; returns where it is.

    `make` gives the content. Workbooks carry the time at which they were made, so `meaning` tells equal ones; the
    folder `notes` remembers what was written.
    """
    known = {row["name"]: row for row in read_rows(notes / WRITTEN)}
    target, number = path, 1
    while target.is_file():
        note = known.get(target.name, {})
        if note.get("meaning") == meaning:
            return target  # whether or not somebody has begun to fill it in
        if note.get("sha256") == _sha256(target.read_bytes()):
            break  # ours, and out of date
        number += 1
        target = path.with_stem(f"{path.stem}-{number}")
    content = make()
    atomic_write(target, content)
    # Last: a kill before this line leaves a file that counts as somebody else's, and a fresh one beside it next time.
    known[target.name] = {"name": target.name, "meaning": meaning, "sha256": _sha256(content)}
    write_rows(notes / WRITTEN, known.values())
    return target


def keep_copy(path: Path, folder: Path) -> None:
    """Keep the file as it is, once, whatever becomes of the original."""
    content = path.read_bytes()
    copy = folder / f"{_sha256(content)[:16]}{path.suffix.lower()}"
    if not copy.exists():
        atomic_write(copy, content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
