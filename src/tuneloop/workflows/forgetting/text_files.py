"""Text and HTML: lines and pieces of a page are replaced, links and layout stay."""

from __future__ import annotations

import html
import re
from pathlib import Path

from tuneloop.workflows.forgetting.rewriting import delete, write_bytes
from tuneloop.workflows.forgetting.wanted import ERASED, Gathered, Wanted

_TAG = re.compile(r"(<[^>]*>)")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")


def erase_lines(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the lines of a text in which it stands."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    count = sum(map(wanted.stands_in, text.split("\n"))) or int(wanted.stands_in(text))
    if count and write:
        write_bytes(file, wanted.without_lines(text).encode("utf-8", "surrogateescape"))
    return count


def erase_pieces(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the texts and attributes of a page in which it stands; a page in which tags part it is deleted."""
    page = file.read_text(encoding="utf-8", errors="surrogateescape")
    pieces = _TAG.split(page)
    new = [_without(piece, wanted) for piece in pieces]
    count = sum(old != piece for old, piece in zip(pieces, new, strict=True))
    left = "".join(new)
    is_parted = wanted.stands_in(_text_of(left))
    if write and is_parted:
        delete(file)
    elif write and count:
        write_bytes(file, left.encode("utf-8", "surrogateescape"))
    return count or int(is_parted)


def _without(piece: str, wanted: Wanted) -> str:
    is_touched = wanted.counted(html.unescape(piece).strip()) or wanted.stands_in(piece)
    if not is_touched:
        return piece
    if piece.startswith("<"):
        tag = _VALUE.sub(lambda value: f'"{ERASED}"' if wanted.stands_in(value[0]) else value[0], piece)
        return "" if wanted.stands_in(tag) else tag
    return ERASED


def _text_of(page: str) -> str:
    return html.unescape(_TAG.sub("", page))
