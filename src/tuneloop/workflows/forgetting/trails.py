"""The audit trail of promotions and the rounds: what was decided stays, the words go."""

from __future__ import annotations

import json
from pathlib import Path

from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted


def erase_from_trail(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the words in a trail and seal it anew, line by line."""
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    count = sum(wanted.stands_in(line) for line in lines)
    if count and write:
        trail = _trail(file)
        with trail.held():
            trail.reseal(wanted.blanked)
    return count


def changed_seals(workspace: Path, wanted: Wanted) -> dict[str, str]:
    """Seals that the registry keeps too -> what they become: found before anything is written."""
    seals: dict[str, str] = {}
    for file in sorted((workspace / "promotions").glob("*.jsonl")):
        if wanted.stands_in(file.read_text(encoding="utf-8", errors="replace")):
            seals |= _trail(file).resealed(wanted.blanked)[1]
    return seals


def changed_verdicts(workspace: Path, wanted: Wanted) -> list[str]:
    """Rounds whose signed verdict names what is erased; it no longer verifies afterwards."""
    found = []
    for file in sorted((workspace / "rounds").glob("*/[0-9]*.json")):
        try:
            verdict = json.loads(file.read_text(encoding="utf-8")).get("verdict")
        except (ValueError, AttributeError):
            continue
        if wanted.counted(verdict):
            found.append(f"{file.parent.name} round {file.stem}")
    return found


def _trail(file: Path) -> AuditTrail:
    workspace = file.parent.parent
    return AuditTrail(workspace, file.stem, signing_key(workspace))
