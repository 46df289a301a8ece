"""What the desk remembers of the sets it published: items with their models, and the form. Never handed to people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

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
