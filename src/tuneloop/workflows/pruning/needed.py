"""Data versions that something current rests on, whatever their age, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tuneloop.data.snapshots import list_manifests
from tuneloop.errors import DataError
from tuneloop.registry.audit_trail import AuditTrail, Entry
from tuneloop.registry.known_rounds import HashOf, known_rounds
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import Round
from tuneloop.review.rows import read_rows
from tuneloop.workspaces import feedback_folder


def needed_versions(workspace: Path, keep: int, hash_of: HashOf) -> dict[str, str]:
    """Data version -> why it stays; of several reasons the first.

    Raises:
        DataError: a round cannot be read, so nobody can say what it rests on.
    """
    known = known_rounds(workspace)
    if known.missing:
        raise DataError(f"{known.missing[0]}: nobody can say what it needs, so nothing is removed; restore its file")
    found: dict[str, str] = {}
    by_recipe: dict[str, list[Round]] = {}
    for round_ in known.rounds:
        by_recipe.setdefault(round_.recipe, []).append(round_)
    for recipe, rounds in by_recipe.items():
        for round_, why in _needed_rounds(workspace, recipe, rounds, hash_of):
            found.setdefault(round_.data.version, f"{why} ({recipe} round {round_.number})")
    for version in _under_review(workspace):
        found.setdefault(version, "a review set of its rows is not answered yet")
    for version, why in _latest(workspace, keep):
        found.setdefault(version, why)
    return found


def _needed_rounds(workspace: Path, recipe: str, rounds: list[Round], hash_of: HashOf) -> Iterator[tuple[Round, str]]:
    last = _last_change(workspace, recipe)
    for round_ in rounds:
        if last is None and round_.model_version:
            yield round_, "no audit trail says which model is the champion"
        if last and round_.model_version == last.to_version:
            yield from ((r, "the champion, or a model that it went on from") for r in _line(round_, rounds, hash_of))
        if last and last.previous_version and round_.model_version == last.previous_version:
            yield round_, "`models rollback` goes back to it"
        if not round_.complete or round_.verdict.decision == "needs_review":
            yield round_, "the round is not decided"
    yield rounds[-1], "the latest round"


def _line(round_: Round, rounds: Iterable[Round], hash_of: HashOf) -> list[Round]:
    """The round, the one whose adapter it went on from, and so on."""
    found, start = [round_], round_.training.start
    adapters = {_hash(Path(r.training.adapter), hash_of): r for r in rounds} if start != "base" else {}
    while start in adapters and adapters[start] not in found:
        found.append(adapters[start])
        start = found[-1].training.start
    return found


def _hash(adapter: Path, hash_of: HashOf) -> str:
    return hash_of(adapter) if adapter.is_dir() else ""


def _last_change(workspace: Path, recipe: str) -> Entry | None:
    entries = AuditTrail(workspace, recipe, signing_key(workspace)).entries()
    return next((entry for entry in reversed(entries) if entry.step == "done"), None)


def _under_review(workspace: Path) -> Iterator[str]:
    """Versions with a set of rows that have had no answer each."""
    for manifest in list_manifests(workspace):
        folder, name = feedback_folder(workspace, manifest.recipe), f"{manifest.recipe}-data-{manifest.version[:8]}"
        items = read_rows(folder / "sets" / f"{name}.jsonl")[1:]
        answered = {r["item_id"] for r in read_rows(folder / "responses.jsonl") if r.get("review_set") == name}
        if any(item["id"] not in answered for item in items):
            yield manifest.version


def _latest(workspace: Path, keep: int) -> Iterator[tuple[str, str]]:
    by_recipe: dict[str, list[str]] = {}
    for manifest in list_manifests(workspace):
        by_recipe.setdefault(manifest.recipe, []).append(manifest.version)
    for recipe, versions in by_recipe.items():
        yield from ((version, f"one of the latest {keep} of {recipe}") for version in versions[-keep:])
