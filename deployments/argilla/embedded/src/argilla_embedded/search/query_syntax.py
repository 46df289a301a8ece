"""The query language of the search box: Elasticsearch's "simple query string" with AND as the default operator.

`a b` and `a + b` need both, `a | b` either, `-a` none; `"a b"` is a phrase, `"a b"~3` allows 3 words between, `a*` is a
prefix, brackets group, a backslash takes the next character as it is. Operators have no precedence, they bind from
left to right. Nothing is a syntax error: what makes no sense is skipped. Fuzzy terms (`a~1`) are read as exact ones.
"""

import re
from dataclasses import dataclass

MAX_TERMS = 200

# Scripts written without spaces between words; as in Elasticsearch's standard analyzer, each character is a word.
_UNSPACED = re.compile(r"([\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<operator>[|+()])
    | (?P<negation>-)
    | "(?P<phrase>(?:\\.|[^"\\])*)"(?:~(?P<slop>\d+))?
    | (?P<term>(?:\\.|[^\s|+()"\\])+)
    | (?P<noise>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_FUZZINESS = re.compile(r"~\d*$")


class QueryTooLongError(ValueError):
    """The query has more terms than the engine takes."""


@dataclass(frozen=True)
class Match:
    """A term, prefix or phrase, as an FTS5 expression."""

    expression: str


@dataclass(frozen=True)
class Not:
    child: "Node"


@dataclass(frozen=True)
class And:
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Or:
    left: "Node"
    right: "Node"


@dataclass(frozen=True)
class Everything:
    """A lone star."""


Node = Match | Not | And | Or | Everything


def spaced(text: str) -> str:
    """Set apart the characters that are words by themselves; texts and queries must both go through this.

    A NUL, which would end the text for FTS5, is a space.
    """
    return _UNSPACED.sub(r" \1 ", text.replace("\0", " "))


def parse(query: str) -> Node | None:
    """Read a query; None when it holds no searchable term, which must find nothing.

    Raises:
        QueryTooLongError: above `MAX_TERMS` terms or brackets.
    """
    if query.strip() == "*":
        return Everything()
    return _Parser(query).group(depth=0)


class _Parser:
    def __init__(self, query: str) -> None:
        self._tokens = _TOKEN.finditer(query)
        self._budget = MAX_TERMS

    def group(self, depth: int) -> Node | None:
        tree: Node | None = None
        operator: type[And | Or] = And
        is_negated = False
        for token in self._tokens:
            kind, text = token.lastgroup, token.group()
            if text == ")" and depth > 0:
                break
            if text in "|+":
                operator = Or if text == "|" else And
            elif kind == "negation":
                is_negated = not is_negated
            elif (node := self._operand(token, depth)) is not None:
                node = Not(node) if is_negated else node
                tree = node if tree is None else operator(tree, node)
                operator, is_negated = And, False
        return tree

    def _operand(self, token: re.Match[str], depth: int) -> Node | None:
        if token.group() == "(":
            self._spend()
            return self.group(depth + 1)
        if token["phrase"] is not None:
            self._spend()
            return _phrase(token["phrase"], token["slop"])
        if token["term"] is not None:
            self._spend()
            return _term(token["term"])
        return None

    def _spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise QueryTooLongError(f"a text query may have at most {MAX_TERMS} terms")


def _term(text: str) -> Match | None:
    text = _FUZZINESS.sub("", text)
    is_prefix = text.endswith("*") and not text.endswith("\\*")
    quoted = _quoted(text.rstrip("*") if is_prefix else text)
    return Match(f"{quoted} *" if is_prefix else quoted) if quoted else None


def _phrase(text: str, slop: str | None) -> Match | None:
    if slop is None:
        quoted = _quoted(text)
        return Match(quoted) if quoted else None
    words = [quoted for word in text.split() if (quoted := _quoted(word))]
    return Match(f"NEAR({' '.join(words)}, {int(slop)})") if words else None


def _quoted(text: str) -> str | None:
    """An FTS5 string, or None when the tokenizer would find no word in it."""
    text = re.sub(r"\\(.)", r"\1", text)
    if not any(character.isalnum() for character in text):
        return None
    return '"' + spaced(text).replace('"', '""') + '"'
