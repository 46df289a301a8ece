"""What is to be forgotten, and how it is recognised in a text."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from tuneloop.data.forgotten import strings_in
from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer
from tuneloop.records import content_hash
from tuneloop.results import DataManifest, Round
from tuneloop.review.review_sets import prompt_hash
from tuneloop.tombstones import normalise

SERVERS = """
    submitted pending completed draft discarded ready annotator owner admin overlap strategy min_submitted values label
    suggestion response record running scheduled failed crashed cancelled cancelling paused finished killed active
    deleted messages content user assistant system train validation test private quarantine value name kind source
    prompt answer mlflow prefect argilla champion candidate previous promotion_seal served_path model_hash
    verdict_sha256
"""


def require_not_reserved(texts: Iterable[str]) -> None:
    """Refuse a text that is part of such a word.

    Raises:
        DataError: it is.
    """
    looked_for = list(texts)
    ours = [word for word in reserved_words() if any(text in word for text in looked_for)]
    if ours:
        raise DataError(
            f"it is part of the word `{min(ours)}`, in which the workspace's files are written, and they could not be "
            "read any more: give more of the text, such as a whole name"
        )


@cache
def reserved_words() -> frozenset[str]:
    """Names of fields, and values that are one of a few."""
    schemas = [model.model_json_schema() for model in (DataManifest, Round)]
    own = {text for schema in schemas for text in _words_of(schema)}
    return frozenset(map(normalise, own | {field.name for field in fields(ReviewAnswer)} | set(SERVERS.split())))


def _words_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for inner in schema:
            yield from _words_of(inner)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        yield from (str(value) for value in [*schema.get("enum", []), schema.get("const", "")])
        for inner in schema.values():
            yield from _words_of(inner)


MIN_CHARACTERS = 4
"""A shorter text stands in too many rows that are somebody else's."""
MIN_OWN_CHARACTERS = 20
"""Turns of a row that are shorter ("Yes, please.") belong to nobody and are not looked for elsewhere."""

ERASED = "[forgotten]"
ID_KEYS = frozenset({"id", "record_id", "row_id", "given_id", "of", "item_id", "response_id"})
LABELS = frozenset({"source", "reviewer", "adjudicator"})
"""Fields of a row that say where it is from and who spoke: many rows share them, and none is there for them."""
COPIES = frozenset({"exact_copy", "near_copy"})
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\([nrt\"'/\\])")
_SIGNS = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True)
class Wanted:
    """`texts` are looked for anywhere in a text; `ids` are ids of rows; `wholes` are whole texts of erased rows, and
    `hashes` hashes of such texts: what follows a row into caches and ledgers. All but ids and hashes are normalised.

    `name` is what stands for a text that is a whole name, such as a reviewer's, where the entry has to stay.
    """

    texts: tuple[str, ...] = field(repr=False)
    ids: frozenset[str] = field(default=frozenset(), repr=False)
    wholes: frozenset[str] = field(default=frozenset(), repr=False)
    hashes: frozenset[str] = field(default=frozenset(), repr=False)
    seals: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Seals of the audit trail -> what they become when the trail is sealed anew."""
    name: str = ERASED

    def following(self, gathered: Gathered) -> Wanted:
        """The same, with what the erased rows have left elsewhere: their texts, and hashes of them."""
        return replace(
            self,
            wholes=frozenset(t for t in map(normalise, gathered.texts) if len(t) >= MIN_OWN_CHARACTERS),
            hashes=frozenset(map(prompt_hash, gathered.texts)) | gathered.hashes,
        )

    def stands_in(self, text: str) -> bool:
        """Whether the text holds what is wanted, written as it is or with the codes of JSON, HTML or Python."""
        return any(any(t in plain for t in self.texts) for plain in map(normalise, _readings(text)))

    def stands_in_name(self, name: str) -> bool:
        """Whether the name of a file holds it, with hyphens in place of blanks."""
        words = _words(normalise(name))
        return any(_words(text) in words for text in self.texts if _words(text).strip())

    def may_be_in(self, raw: str) -> bool:
        """False where a row as JSON cannot hold it, which is so of nearly all: they need not be read any closer."""
        is_simple = not (self.wholes or self.hashes or self.seals or "\\\\" in raw)
        return not is_simple or any(i in raw for i in self.ids) or self.stands_in(raw)

    def is_in(self, value: Any) -> bool:
        """Whether a JSON value holds it in any string or key."""
        return any(map(self.stands_in, strings_in(value)))

    def takes(self, row: Any) -> bool:
        """Whether this row has to go. Where only a label holds it, such as the name of its source, the row stays."""
        return self.is_in(_without_labels(row)) or self._is_named(row) or self._follows(row)

    def left_of(self, row: Any) -> Any:
        """The row as it may stay: as it is, or with other labels; None: not at all."""
        if self.takes(row):
            return None
        return self.blanked(row) if self.is_in(row) else row

    def blanked(self, value: Any) -> Any:
        """The value without it: a string, or the lines of it, in which it stands are replaced."""
        if isinstance(value, str):
            return self._blanked_text(value)
        if isinstance(value, dict):
            return {self._blanked_text(str(k)): self.blanked(v) for k, v in value.items()}
        return [self.blanked(inner) for inner in value] if isinstance(value, list) else value

    def counted(self, value: Any) -> int:
        """In how many strings of the value it stands."""
        return sum(self._is_touched(text) for text in strings_in(value))

    def _is_touched(self, text: str) -> bool:
        is_own = text in self.seals or text in self.hashes or (text in self.ids and len(text) >= MIN_OWN_ID)
        return is_own or self.stands_in(text)

    def _blanked_text(self, text: str) -> str:
        if not self._is_touched(text):
            return text
        if text in self.seals:
            return self.seals[text]
        if normalise(text) in self.texts:
            return self.name
        inner = _json_inside(text)
        if inner is not None:
            return json.dumps(self.blanked(inner), ensure_ascii=False)
        return self.without_lines(text)

    def without_lines(self, text: str) -> str:
        """The lines in which it does not stand; nothing of the text where it goes over several lines."""
        lines = [ERASED if self.stands_in(line) else line for line in text.split("\n")]
        left = "\n".join(lines)
        return ERASED if text in self.ids | self.hashes or self.stands_in(left) else left

    def _is_named(self, row: Any) -> bool:
        if not self.ids or not isinstance(row, dict | list):
            return False
        if isinstance(row, list):
            return any(map(self._is_named, row))
        if any(str(row.get(key)) in self.ids for key in ID_KEYS & row.keys()):
            return True
        if row.get("reason") in COPIES and row.get("related") in self.ids:
            return True
        return any(self._is_named(inner) for inner in row.values())

    def _follows(self, row: Any) -> bool:
        if not (self.wholes or self.hashes):
            return False
        return any(text in self.hashes or normalise(text) in self.wholes for text in strings_in(row))


MIN_OWN_ID = 12
"""An id that is as long as a hash means one row wherever it stands; `17` does so only where ids are expected."""


@dataclass
class Gathered:
    """What is known of the rows that go: their names for the tombstones, their texts for what follows them."""

    rows: set[tuple[str, str]] = field(default_factory=set, repr=False)
    hashes: set[str] = field(default_factory=set, repr=False)
    texts: set[str] = field(default_factory=set, repr=False)
    versions: dict[str, set[str]] = field(default_factory=dict)
    """Data version -> splits that lose rows; "" stands for rows that were set aside."""
    count: int = 0

    def add(self, row: Any) -> None:
        """Note a row that goes."""
        self.count += 1
        if not isinstance(row, dict):
            return
        self.texts.update(strings_in(row))
        name = row.get("id") or row.get("record_id")
        if row.get("source") and name:
            self.rows.add((str(row["source"]), str(name)))
        given = (row.get("extra") or {}).get("given_id") if isinstance(row.get("extra"), dict) else None
        if row.get("source") and given:
            self.rows.add((str(row["source"]), str(given)))
        if isinstance(row.get("messages"), list):
            self.hashes.add(_sketch_of(row))

    def note_version(self, path: str) -> None:
        """Note that the file of this path in the workspace loses rows."""
        folder, _, name = path.rpartition("/")
        if folder.startswith("data/") and name.endswith((".parquet", "quarantine.jsonl")):
            split = name.removesuffix(".parquet")
            self.versions.setdefault(folder.removeprefix("data/"), set()).add("" if split == name else split)


def _sketch_of(row: dict[str, Any]) -> str:
    """As the ledger of the private test set names a row, see `tuneloop.evaluation.private_uses.identity_of`."""
    messages = [(m.get("role"), m.get("content")) for m in row["messages"] if isinstance(m, dict)]
    return content_hash([messages, row.get("rejected")])[:16]


Erase = Callable[..., int]
"""(file, wanted, gathered, write) -> how many rows, cells or strings hold it; `write`: they are erased."""


def _readings(text: str) -> Iterator[str]:
    yield text
    if "\\" in text:
        yield _ESCAPE.sub(_unescaped, text)
    if "&" in text:
        yield html.unescape(text)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 16)) if match[1] else _SIGNS.get(match[2], match[2])


def _without_labels(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_labels(inner) for name, inner in value.items() if name not in LABELS}
    return [_without_labels(inner) for inner in value] if isinstance(value, list) else value


def _words(text: str) -> str:
    return " ".join(re.split(r"[\W_]+", text))


def _json_inside(text: str) -> Any:
    if text.lstrip()[:1] not in {"{", "["}:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None
