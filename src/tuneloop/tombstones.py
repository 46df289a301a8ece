"""What was forgotten, so that it is known when it comes again: keyed marks, never the words themselves.

`<workspace>/forgotten.jsonl` has one JSON object a line. A `text` can be met anywhere inside a row, a `content` is a
whole turn, a `row` is a source's row by its id; `begun` and `done` say when somebody erased something, why, and which
models had learned from it. Marks are HMAC-SHA256 with a key of the workspace: without the key, no guess can be tested.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.files import append_jsonl
from tuneloop.secret_keys import secret_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "forgotten.jsonl"
KEY_FILE = "forgotten.key"
_SIEVE_BITS = 32
_WORD = 2**64


def normalise(text: str) -> str:
    """The form in which texts are compared: NFKC, without upper case, one blank for any white space."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


@dataclass(frozen=True)
class Tombstones:
    """The marks of a workspace. `texts` maps a length in characters to the marks of that length, by their sieve value.

    The sieve is a short keyed hash that can be computed for every place of a text at once; only where it agrees is the
    mark itself computed.
    """

    key: bytes = field(repr=False)
    texts: Mapping[int, Mapping[int, frozenset[str]]] = field(default_factory=dict)
    contents: frozenset[str] = frozenset()
    rows: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.texts or self.contents or self.rows)

    @classmethod
    def of(cls, workspace: Path) -> Tombstones:
        """What this workspace has forgotten so far."""
        entries = read_entries(workspace)
        if not entries:
            return cls(b"")
        texts: dict[int, dict[int, frozenset[str]]] = {}
        for entry in (e for e in entries if e["kind"] == "text"):
            sieve = texts.setdefault(entry["length"], {})
            sieve[entry["sieve"]] = sieve.get(entry["sieve"], frozenset()) | {entry["mark"]}
        marks = {kind: frozenset(e["mark"] for e in entries if e["kind"] == kind) for kind in ("content", "row")}
        return cls(secret_key(workspace, KEY_FILE), texts, marks["content"], marks["row"])

    def is_row(self, source: str, row_id: str | None) -> bool:
        """Whether this row of this source was forgotten."""
        return bool(self.rows) and row_id is not None and mark(self.key, "row", source, row_id) in self.rows

    def hold(self, text: str) -> bool:
        """Whether something forgotten stands in the text, or is the text."""
        plain = normalise(text)
        if self.contents and mark(self.key, "content", plain) in self.contents:
            return True
        return any(self._stands_in(plain, length, known) for length, known in self.texts.items())

    def _stands_in(self, plain: str, length: int, known: Mapping[int, frozenset[str]]) -> bool:
        import numpy as np

        if len(plain) < length:
            return False
        values = _sieve_values(plain, length, self.key)
        met = values == next(iter(known)) if len(known) == 1 else np.isin(values, np.fromiter(known, np.uint64))
        places = np.flatnonzero(met)
        return any(
            mark(self.key, "text", plain[place : place + length]) in known[int(values[place])] for place in places
        )


def text_entry(key: bytes, text: str) -> dict[str, Any]:
    """The tombstone of a text, which is to be recognised inside others."""
    plain = normalise(text)
    sieve = int(_sieve_values(plain, len(plain), key)[0])
    return {"kind": "text", "mark": mark(key, "text", plain), "length": len(plain), "sieve": sieve}


def content_entry(key: bytes, text: str) -> dict[str, Any]:
    """The tombstone of a whole turn."""
    return {"kind": "content", "mark": mark(key, "content", normalise(text))}


def row_entry(key: bytes, source: str, row_id: str) -> dict[str, Any]:
    """The tombstone of a source's row. Ids made of a row's content are hashes that a guess could be tested with."""
    return {"kind": "row", "mark": mark(key, "row", source, row_id)}


def mark(key: bytes, kind: str, *parts: str) -> str:
    """Keyed hash; equal parts, equal mark."""
    content = json.dumps([kind, *parts]).encode()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def tombstone_key(workspace: Path) -> bytes:
    """The key of the marks; whoever deletes it lets the forgotten come in again."""
    return secret_key(workspace, KEY_FILE)


def read_entries(workspace: Path) -> list[dict[str, Any]]:
    """All lines; one that a kill cut off was never written."""
    try:
        lines = (workspace / FILE).read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in lines if line.strip()]


def add_entries(workspace: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Append what is not there yet, on the disk when this returns."""
    known = {(e["kind"], e["mark"]) for e in read_entries(workspace) if e["kind"] in {"text", "content", "row"}}
    new = [e for e in entries if (e["kind"], e["mark"]) not in known]
    append_jsonl(workspace / FILE, new)


def seal(key: bytes, content: Mapping[str, Any]) -> str:
    """What shows that a changed data version was changed here, and by forgetting."""
    return mark(key, "version", json.dumps(content, sort_keys=True))


def _sieve_values(plain: str, length: int, key: bytes) -> NDArray[np.uint64]:
    """A keyed polynomial hash of every piece of `length` characters, modulo 2^64, of which the upper bits are used.

    With prefix sums of c[j] * b^-j, the hash of the piece at i is (P[i + length] - P[i]) * b^i.
    """
    import numpy as np

    codes = np.frombuffer(plain.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    rising, falling = _powers(key, 1 << len(codes).bit_length())
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * falling[: len(codes)])])
    pieces = sums[length:] - sums[: len(sums) - length]
    return np.asarray((pieces * rising[: len(pieces)]) >> np.uint64(64 - _SIEVE_BITS), np.uint64)


@lru_cache(maxsize=32)
def _powers(key: bytes, count: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """b^1, b^2... and b^-1, b^-2... of the key's odd base, modulo 2^64."""
    import numpy as np

    base = int.from_bytes(hashlib.sha256(b"sieve" + key).digest()[:8]) | 1
    rising = np.cumprod(np.full(count, base, np.uint64), dtype=np.uint64)
    falling = np.cumprod(np.full(count, pow(base, -1, _WORD), np.uint64), dtype=np.uint64)
    return rising, falling
