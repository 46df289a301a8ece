"""What becomes of personal data in rows: nothing yet (they are set aside later), `<email>`, or `<email-3f9a2c41>`.

A row is treated by itself, so order and chunks make no difference; with the same key the same person gets the same
placeholder in all rows and runs. Treating a treated row changes nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tuneloop.data.name_verdicts import is_ordinary, plain
from tuneloop.data.pii import PHONE_REGIONS, scan
from tuneloop.data.placeholders import name_words, normalise, pseudonym, pseudonymous_id, redaction
from tuneloop.data.row_texts import Piece, pieces_of, rejoin, texts_of, with_texts
from tuneloop.recipes import Checks
from tuneloop.records import Record

MAX_ROUNDS = 4
"""What stood beside personal data can look like some once that is gone; hardly ever a second time."""

MIN_ALIAS_CHARACTERS = 3
JSON_OPENERS = frozenset("{[")

# What most ids look like: too few digits for a number that names somebody, and nothing else that could.
_PLAIN_ID = re.compile(r"[a-z_-]{0,12}\d{0,6}", re.IGNORECASE)

_CAPITALISED = re.compile(r"[^\W\d_][\w-]*")
_SENTENCE_END = re.compile(r"(?:^|[.!?:\n\"'(])\s*$")


@dataclass(frozen=True, slots=True)
class Treated:
    """Rows as they go on, in the order they came.

    `kinds[i]` names what personal data is in the turns of `records[i]` (comma-separated, sorted, "" for none): all of
    it under `quarantine`, else what the recipe allows. `replaced` counts findings by kind.
    """

    records: list[Record]
    kinds: list[str]
    replaced: Counter[str]


@dataclass(frozen=True, slots=True)
class _Finding:
    start: int
    end: int
    kind: str
    value: str


@dataclass(slots=True)
class _Text:
    """One text of a row on its way. `style` is what its findings become; None: they stay."""

    content: str
    style: str | None
    is_trained_on: bool
    pieces: list[Piece] = field(default_factory=list)
    findings: list[list[_Finding]] = field(default_factory=list)


def treat(records: Sequence[Record], checks: Checks, key: bytes) -> Treated:
    """Apply the recipe's policy to personal data outside `pii_allowed`.

    `quarantine` leaves the turns alone, `redact` and `pseudonymise` replace what is found in every turn and in the
    rejected answer; in JSON they replace inside the strings. Under all of them `extra` is redacted, and an id or group
    that holds personal data becomes a keyed hash, so that rows still join on it.
    """
    replaced: Counter[str] = Counter()
    written, kinds = list(records), [""] * len(records)
    chosen = _worth_a_closer_look(records, checks)
    some = _treat_closely([records[i] for i in chosen], checks, key, replaced)
    for i, (record, found) in zip(chosen, some, strict=True):
        written[i], kinds[i] = record, found
    return Treated(_with_safe_ids(written, checks, key, replaced), kinds, replaced)


def _worth_a_closer_look(records: Sequence[Record], checks: Checks) -> list[int]:
    """The rows in which something is found at once, or whose JSON has to be taken apart first: mostly few."""
    texts = [[text for part in texts_of(record) for text in part] for record in records]
    is_json = [any(text.lstrip()[:1] in JSON_OPENERS for text in row) for row in texts]
    plain_rows = [index for index, taken_apart in enumerate(is_json) if not taken_apart]
    spans = iter(scan([text for i in plain_rows for text in texts[i]], names=checks.person_names))
    found = {i for i in plain_rows if sum(bool(next(spans)) for _ in texts[i])}  # every text's turn must come
    return [index for index, taken_apart in enumerate(is_json) if taken_apart or index in found]


def _treat_closely(
    records: Sequence[Record], checks: Checks, key: bytes, replaced: Counter[str]
) -> Iterator[tuple[Record, str]]:
    """Each row with its replacements, and the kinds that are still in it."""
    rows = [_texts(record, checks) for record in records]
    pending = rows
    for _ in range(MAX_ROUNDS):
        _look(pending, checks)
        pending = [row for row in pending if _replace_row(row, checks, key, replaced)]
    _look(pending, checks)
    for record, row in zip(records, rows, strict=True):
        extra = [t.content for t in row if not t.is_trained_on]
        yield with_texts(record, [t.content for t in row if t.is_trained_on], extra), _kinds(row)


def _texts(record: Record, checks: Checks) -> list[_Text]:
    trained_on, extra = texts_of(record)
    style = None if checks.pii_policy == "quarantine" else checks.pii_policy
    return [_Text(t, style, is_trained_on=True) for t in trained_on] + [
        _Text(t, "redact", is_trained_on=False) for t in extra
    ]


def _kinds(row: Sequence[_Text]) -> str:
    return ",".join(sorted({f.kind for text in row if text.is_trained_on for fs in text.findings for f in fs}))


def _look(rows: Sequence[Sequence[_Text]], checks: Checks) -> None:
    """Find what is in all texts of the rows, in one go."""
    texts = [text for row in rows for text in row]
    for text in texts:
        text.pieces = pieces_of(text.content)
    labels = [_label(piece) for text in texts for piece in text.pieces]
    pieces = [piece for text in texts for piece in text.pieces]
    spans = iter(scan([a + p.text for a, p in zip(labels, pieces, strict=True)], names=checks.person_names))
    label = iter(labels)
    for text in texts:
        text.findings = [_findings(piece, len(next(label)), next(spans)) for piece in text.pieces]


def _label(piece: Piece) -> str:
    """A JSON key is read with its value, as if someone had written `name: Ann Baker`."""
    return f"{piece.label.replace('_', ' ')}: " if piece.label else ""


def _findings(piece: Piece, offset: int, spans: Sequence[tuple[int, int, str]]) -> list[_Finding]:
    """Names are not looked for in JSON keys: those are the answer's schema."""
    return [
        _Finding(a - offset, b - offset, kind, normalise(kind, piece.text[a - offset : b - offset], PHONE_REGIONS))
        for a, b, kind in spans
        if a >= offset and not (piece.form == "key" and kind == "person")
    ]


def _replace_row(row: Sequence[_Text], checks: Checks, key: bytes, replaced: Counter[str]) -> bool:
    """Replace what may not stay; whether there was anything."""
    people = _people(row) if "person" not in checks.pii_allowed else {}
    has_changed = False
    for text in row:
        if text.style is None:
            continue
        new = []
        for piece, findings in zip(text.pieces, text.findings, strict=True):
            unwanted = [f for f in findings if f.kind not in checks.pii_allowed]
            unwanted += _aliases(piece, findings, people)
            replaced.update(f.kind for f in unwanted)
            new.append(_replaced(piece.text, unwanted, text.style, people, key))
        content = rejoin(text.content, text.pieces, new)
        has_changed, text.content = has_changed or content != text.content, content
    return has_changed


def _replaced(text: str, findings: Sequence[_Finding], style: str, people: Mapping[str, str], key: bytes) -> str:
    for f in sorted(findings, key=lambda f: f.start, reverse=True):
        value = people.get(f.value, f.value) if f.kind == "person" else f.value
        new = redaction(f.kind) if style == "redact" else pseudonym(f.kind, value, key)
        text = text[: f.start] + new + text[f.end :]
    return text


def _people(row: Sequence[_Text]) -> dict[str, str]:
    """First name, surname or name -> the full name in this row that it is part of; of several the first one."""
    names = [f.value for text in row for fs in text.findings for f in fs if f.kind == "person"]
    people: dict[str, str] = {}
    for full in sorted(dict.fromkeys(names), key=lambda name: -len(name.split())):
        is_part = [other for other in people.values() if set(full.split()) < set(other.split())]
        people[full] = is_part[0] if is_part else full
    for full in dict.fromkeys(names):
        for word in name_words(full):
            people.setdefault(word, people[full])
    return people


def _aliases(piece: Piece, findings: Sequence[_Finding], people: Mapping[str, str]) -> list[_Finding]:
    """Parts of a name that stand alone. An everyday word that opens a sentence ("Will it...") is none."""
    if not people or piece.form == "key":
        return []
    found = []
    for match in _CAPITALISED.finditer(piece.text):
        start, end = match.span()
        word = plain(match[0])
        if match[0][0].isupper() and len(word) >= MIN_ALIAS_CHARACTERS and word in people:
            is_free = all(end <= f.start or start >= f.end for f in findings)
            opens = is_ordinary(word) and _SENTENCE_END.search(piece.text, max(0, start - 20), start)
            if is_free and not opens:
                found.append(_Finding(start, end, "person", people[word]))
    return found


def _with_safe_ids(records: list[Record], checks: Checks, key: bytes, replaced: Counter[str]) -> list[Record]:
    names = sorted({n for r in records for n in (r.id, r.group) if n and not _PLAIN_ID.fullmatch(n)})
    spans = scan(names, names=checks.person_names)
    safe: dict[str | None, str] = {}
    for name, found in zip(names, spans, strict=True):
        kinds = [(a, b, kind) for a, b, kind in found if kind not in checks.pii_allowed]
        if kinds:
            start, end, kind = kinds[0]
            is_whole = not (name[:start] + name[end:]).strip()
            value = normalise(kind, name[start:end], PHONE_REGIONS) if is_whole else name
            safe[name] = pseudonymous_id(kind, value, key)
            replaced[kind] += 1
    if not safe:
        return records
    return [replace(r, id=safe.get(r.id, r.id), group=safe.get(r.group, r.group)) for r in records]
