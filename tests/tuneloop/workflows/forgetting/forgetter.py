"""Looks and forgets as the command does; imports nothing heavy, as killed processes are started often."""

from __future__ import annotations

from pathlib import Path

from tuneloop.adapters.argilla.teams import pseudonym
from tuneloop.adapters.file_backend.importing import reviewer_id
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.workflows.forgetting import Forgetting, carry_out, plan
from tuneloop.workflows.forgetting.forget import Names


def names(workspace: Path) -> Names:
    key = pseudonym_key(workspace)
    return Names(lambda user: pseudonym(key, user), lambda name: reviewer_id(name, key), lambda _: "")


def look(root: Path, request: str) -> Forgetting:
    return plan(root / "ws", root, request, names(root / "ws"))


def forget(root: Path, request: str) -> Forgetting:
    found = look(root, request)
    carry_out(found, names(root / "ws"), by="tester", because="case 7")
    return found
