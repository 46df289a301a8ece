"""What a backup says of itself: every file with its hash. It comes last, so an archive that was cut off has none."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

NAME = "tuneloop-backup.json"
FORMAT = 1


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int


class Manifest(BaseModel):
    """`files` and `links` by path within the workspace; a link leads to another path within it.

    `workspace` is where the backed-up workspace was, which some of its files say in full.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    created_at: str
    workspace: str = Field(pattern="^/")
    files: dict[str, Entry]
    links: dict[str, str]
