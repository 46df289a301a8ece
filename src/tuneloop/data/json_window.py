"""JSON values one after the other, out of a text that is too long to hold.

The reader is the standard library's, over a moving window. ijson would be the library for it, but its yajl backend
turns half a surrogate pair into "?", stops at NaN, at numbers of more than 64 bits and at a byte that is not UTF-8, and
needs gigabytes for brackets nested 100,000 deep (ijson 3.6). The window is as fast.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from typing import Any

from tuneloop.data.raw_row import RawRow, is_encodable

MAX_DEPTH = 100
"""No row needs more levels, and what is nested much deeper makes every later `json.dumps` fail."""

WINDOW_BYTES = 256 * 1024
BLANKS = re.compile(r"[ \t\r\n]*")
HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
LONGEST_WORD = len("-Infinity")
NUMBER_GOES_ON = ("", ".", "e", "E")
TOO_LARGE = "a number or a nesting too large to read"


class BrokenError(Exception):
    """The syntax does not allow to go on. The message says why and repeats no text."""


class RowDecoder(json.JSONDecoder):
    """JSON as rows need it: NaN, which Python writes for a missing value, is null; a key that stands twice is seen."""

    def __init__(self) -> None:
        super().__init__(object_pairs_hook=self._object, parse_constant=lambda _: None)
        self.has_duplicate = False

    def on_line(self, number: int, data: bytes) -> RawRow:
        try:
            text = data.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            problem = ("undecodable", f"not UTF-8 at byte {error.start}")
            return RawRow(number, problem=problem, raw=data.decode("latin-1"))
        self.has_duplicate = False
        try:
            value = self.decode(text)
        except json.JSONDecodeError as error:
            return RawRow(number, problem=("broken_json", f"{error.msg} at column {error.colno}"), raw=text)
        except (ValueError, RecursionError):
            return RawRow(number, problem=("broken_json", TOO_LARGE), raw=text)
        return self.checked(number, value, text)

    def checked(self, number: int, value: Any, text: str) -> RawRow:
        """The row of a value just decoded from `text`."""
        problem = self._problem(value, text)
        return RawRow(number, problem=problem, raw=text) if problem else RawRow(number, value=value, raw=text)

    def _problem(self, value: Any, text: str) -> tuple[str, str] | None:
        if self.has_duplicate:
            return "duplicate_key", "a key stands twice in one object: one of the two values would be lost"
        if text.count("[") + text.count("{") > MAX_DEPTH and not _is_within(value, MAX_DEPTH):
            return "broken_json", f"nested more than {MAX_DEPTH} levels deep"
        if "\\u" in text and HALF_A_PAIR.search(text) and not is_encodable(json.dumps(value, ensure_ascii=False)):
            return "undecodable", "half a surrogate pair"
        return None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            self.has_duplicate = True
        return value


def _is_within(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels > 0 and all(_is_within(v, levels - 1) for v in inner) if inner else True


class Window:
    """The part of a JSON text that is held in memory: from where the reading stands, as far as it was needed."""

    def __init__(self, stream: io.BufferedReader, max_characters: int) -> None:
        self.stream = stream
        self.max_characters = max_characters
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.rows = RowDecoder()
        self.text = ""
        self.position = 0
        self.is_at_end = False

    def peek(self) -> str:
        """The next character that is not blank, "" at the end."""
        while True:
            match = BLANKS.match(self.text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.text) or self.is_at_end:
                return self.text[self.position : self.position + 1]
            self._read_on()

    def take(self) -> str:
        """The same, and go on behind it."""
        character = self.peek()
        self.position += len(character)
        return character

    def value(self) -> tuple[Any, str]:
        """The next value and its text."""
        self.peek()
        while True:
            value, end, problem, may_go_on = self._decoded()
            if not may_go_on or self.is_at_end:
                break
            if len(self.text) - self.position > self.max_characters:
                problem = f"a row of more than {self.max_characters} characters"
                break
            self._read_on()
        if problem:
            raise BrokenError(problem)
        text = self.text[self.position : end]
        self.position = end
        return value, text

    def row(self, number: int) -> RawRow:
        value, text = self.value()
        if not is_encodable(text):
            raw = text.encode("utf-8", "surrogateescape").decode("latin-1")
            return RawRow(number, problem=("undecodable", "not UTF-8"), raw=raw)
        return self.rows.checked(number, value, text)

    def _decoded(self) -> tuple[Any, int, str, bool]:
        """Value, end, problem, and whether all that might be otherwise with more text in the window."""
        self.rows.has_duplicate = False
        try:
            value, end = self.rows.raw_decode(self.text, self.position)
        except json.JSONDecodeError as error:
            is_cut = error.msg.startswith("Unterminated") or error.pos > len(self.text) - LONGEST_WORD
            return None, 0, error.msg, is_cut
        except (ValueError, RecursionError):
            raise BrokenError(TOO_LARGE) from None
        return value, end, "", self.text[end : end + 1] in NUMBER_GOES_ON

    def _read_on(self) -> None:
        # Twice as much each time: a long row is decoded anew only a few times.
        pending = self.text[self.position :]
        data = self.stream.read1(max(WINDOW_BYTES, len(pending)))
        self.text = pending + self.decoder.decode(data, final=not data)
        self.position = 0
        self.is_at_end = not data
