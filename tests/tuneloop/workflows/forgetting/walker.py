"""Decode everything in a workspace and look for a marker: what a thorough stranger with the disk would do.

A file of a kind that is not known here fails, so that a new format is not passed over.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re
import sqlite3
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

TEXT = {".json", ".jsonl", ".html", ".md", ".txt", ".log", ".csv", ".path", ".yaml", ".yml", ".toml", ".conf", ".key"}
TEXT |= {".lock", ".head", ".secret", ".cfg", ".pid", ".aof", ".manifest", ".jinja", ".js", ".css", ".svg", ".map", ""}
TEXT |= {".py", ".sha256", ".dat", ".webmanifest"}
RAW = {".safetensors", ".bin", ".png", ".rdb", ".sock", ".npy", ".npz", ".gguf", ".pt", ".pth"}
RAW |= {".br", ".ico", ".woff", ".woff2", ".ttf", ".gif", ".jpg", ".webp"}


def found_in(workspace: Path, marker: str) -> list[str]:
    """Files (and tables) that hold the marker in any writing, and files whose name does."""
    wanted = plain(marker)
    return sorted({where for where, text in everything(workspace) if wanted in plain(text)})


def everything(workspace: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of all that can be read out of a workspace."""
    for file in sorted(p for p in workspace.rglob("*") if not p.is_dir()):
        where = file.relative_to(workspace).as_posix()
        yield f"{where} (its name)", where.replace("-", " ").replace("_", " ")
        if not file.is_file():
            continue
        content = file.read_bytes()
        yield from ((where, text) for text in raw_texts(content))
        yield from ((f"{where} {part}".strip(), text) for part, text in decoded(file, content))


def raw_texts(content: bytes) -> Iterator[str]:
    """The bytes as text in the encodings and escapes that a program may have used."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "cp1252"):
        yield content.decode(encoding, "replace")
        yield content[1:].decode(encoding, "replace") if encoding.startswith("utf-16") else ""
    text = content.decode("utf-8", "replace")
    yield html.unescape(text)
    yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text.replace("\\\\u", "\\u"))
    yield html.unescape(re.sub(r"<[^>]*>", "", text))
    for match in re.finditer(rb"[A-Za-z0-9+/]{40,}={0,2}", content):
        try:
            yield base64.b64decode(match[0], validate=True).decode("utf-8", "replace")
        except ValueError:
            continue
    for start in (m.start() for m in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", content)):
        try:
            yield zlib.decompressobj().decompress(content[start:], 1 << 20).decode("utf-8", "replace")
        except zlib.error:
            continue


def decoded(file: Path, content: bytes) -> Iterator[tuple[str, str]]:
    name = file.name
    if name.endswith(("-wal", "-shm", "-journal")):
        return
    if content.startswith(b"SQLite format 3"):
        yield from tables(file)
    elif content.startswith(b"PAR1"):
        yield from (("", text) for text in parquet_texts(file))
    elif content.startswith(b"PK\x03\x04"):
        yield from zipped(content)
    elif content.startswith(b"\x1f\x8b"):
        yield "", gzip.decompress(content).decode("utf-8", "replace")
    elif file.suffix in RAW or not content:
        return
    elif file.suffix in TEXT or name.startswith(".") or re.fullmatch(r"[\w-]+", name):
        yield from (("", text) for text in strings(content))
    else:
        raise AssertionError(f"{file}: nobody can decode this kind of file yet; teach the walker, and places.py")


def strings(content: bytes) -> Iterator[str]:
    """All strings of JSON, or of JSON lines, and of JSON inside those."""
    text = content.decode("utf-8", "surrogateescape")
    for piece in (text, *text.split("\n")):
        yield from inner(piece)


def inner(text: str) -> Iterator[str]:
    yield text
    if text.strip()[:1] in {"{", "[", '"'}:
        try:
            yield from leaves(json.loads(text))
        except ValueError:
            return


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from inner(value)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from (name, *leaves(part))
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part)


def tables(file: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as base:
        base.text_factory = lambda raw: raw.decode("utf-8", "replace")
        names = [n for (n,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            for row in base.execute(f'SELECT * FROM "{name}"'):
                for cell in row:
                    text = cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
                    yield from ((name, found) for found in inner(text))


def parquet_texts(file: Path) -> Iterator[str]:
    from pyarrow import parquet

    table = parquet.read_table(file)
    yield str(table.schema.metadata)
    for column in table.columns:
        for value in column.to_pylist():
            yield from leaves(value) if isinstance(value, dict | list) else inner(str(value))


def zipped(content: bytes) -> Iterator[tuple[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for name in parts.namelist():
            yield from ((name, text) for text in raw_texts(parts.read(name)))


def plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
