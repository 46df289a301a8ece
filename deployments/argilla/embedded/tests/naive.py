"""A second, slow opinion on what a text query finds: plain Python over lists of words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

Fields = list[list[str]]  # the words of each field of one record


@dataclass(frozen=True)
class Word:
    text: str

    def __str__(self) -> str:
        return self.text

    def matches(self, fields: Fields) -> bool:
        return any(self.text in words for words in fields)


@dataclass(frozen=True)
class Prefix:
    text: str

    def __str__(self) -> str:
        return f"{self.text}*"

    def matches(self, fields: Fields) -> bool:
        return any(word.startswith(self.text) for words in fields for word in words)


@dataclass(frozen=True)
class Phrase:
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f'"{" ".join(self.words)}"'

    def matches(self, fields: Fields) -> bool:
        size = len(self.words)
        return any(tuple(words[at : at + size]) == self.words for words in fields for at in range(len(words)))


@dataclass(frozen=True)
class Near:
    """Two different words with at most `gap` others between them, in either order."""

    first: str
    second: str
    gap: int

    def __str__(self) -> str:
        return f'"{self.first} {self.second}"~{self.gap}'

    def matches(self, fields: Fields) -> bool:
        return any(abs(a - b) - 1 <= self.gap for a, b in _positions(fields, self.first, self.second))


@dataclass(frozen=True)
class Without:
    child: "Query"

    def __str__(self) -> str:
        return f"-({self.child})"

    def matches(self, fields: Fields) -> bool:
        return not self.child.matches(fields)


@dataclass(frozen=True)
class Both:
    left: "Query"
    right: "Query"
    sign: str

    def __str__(self) -> str:
        return f"({self.left}){self.sign}({self.right})"

    def matches(self, fields: Fields) -> bool:
        return self.left.matches(fields) and self.right.matches(fields)


@dataclass(frozen=True)
class Either:
    left: "Query"
    right: "Query"

    def __str__(self) -> str:
        return f"({self.left}) | ({self.right})"

    def matches(self, fields: Fields) -> bool:
        return self.left.matches(fields) or self.right.matches(fields)


Query = Word | Prefix | Phrase | Near | Without | Both | Either


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _positions(fields: Fields, first: str, second: str) -> Iterator[tuple[int, int]]:
    for words in fields:
        for a, one in enumerate(words):
            for b, other in enumerate(words):
                if (one, other) == (first, second):
                    yield a, b
