"""YAML as people write it: a key that stands twice is an error, every error has its line, and no file can be a bomb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tuneloop.readable_files import fault_of

MAX_BYTES = 256 * 1024
MAX_DEPTH = 40
MAX_VALUES = 20_000
"""With each `*alias` counted as all that it stands for: nine lines of aliases can stand for a billion values."""
LONGEST_NUMBER = 40


class YamlError(Exception):
    """The message is the rest of a sentence that began with the file's name."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and keys that stand twice in it as (line, keys, what is wrong)."""

    value: Any
    problems: tuple[tuple[int, str, str], ...]
    _root: yaml.Node | None

    def line_of(self, keys: Sequence[str | int]) -> int:
        """The line (from 1) of a value, or of the innermost one around it that is there."""
        node, line = self._root, 1
        for key in keys:
            found = _child(node, key)
            if found is None:
                break
            node, line = found
        return line


def read_yaml(path: Path) -> Document:
    """Read a file with one document.

    Raises:
        YamlError: it cannot be read.
    """
    if fault := fault_of(path, max_bytes=MAX_BYTES, remedy="is it the right file?"):
        raise YamlError(fault)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlError(f"is not UTF-8 (byte {error.start + 1}); save it again as UTF-8") from None
    try:
        return _document(_Loader(text))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"line {line} holds a control character (U+{error.character:04X}); delete it") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise YamlError(f"is not YAML: {where}{error.problem}; mend that line") from None


def _document(loader: _Loader) -> Document:
    try:
        root = loader.get_single_node()
        if root is None:
            return Document(None, (), None)
        if _values(root, {}) > MAX_VALUES:
            raise YamlError(f"stands for more than {MAX_VALUES:,} values; write it without so many aliases (*name)")
        problems = tuple(_problems(root, ""))
        return Document(loader.construct_document(root), problems, root)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Composes to a limited depth, so that brackets by the thousand are an error and not the end of the stack."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            line = self.line + 1  # where the scanner stands
            raise YamlError(f"is nested more than {MAX_DEPTH} levels deep in line {line}; write it flatter")
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _values(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes under this one and itself, aliases counted in full."""
    if id(node) not in known:
        known[id(node)] = MAX_VALUES + 1  # what it is until it is known: one that contains itself has no end
        known[id(node)] = 1 + sum(_values(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from (key, value)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _problems(node: yaml.Node, keys: str) -> Iterator[tuple[int, str, str]]:
    """Keys that stand twice, of which YAML would silently take the last.

    Raises:
        YamlError: a number is longer than Python reads.
    """
    if isinstance(node, yaml.ScalarNode):
        if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float") and len(node.value) > LONGEST_NUMBER:
            line = node.start_mark.line + 1
            raise YamlError(f"line {line}: {keys} has {len(node.value):,} digits; write the number that is meant")
        return
    first: dict[str, int] = {}
    for place, (key, child) in enumerate(_entries(node)):
        name = str(place) if key is None else str(key.value)
        inner = f"{keys}.{name}" if keys else name
        if isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            if key.value in first:
                yield line, inner, f"stands twice, first in line {first[key.value]}; keep one of the two"
            first.setdefault(key.value, line)
        yield from _problems(child, inner)


def _entries(node: yaml.Node) -> Iterator[tuple[yaml.Node | None, yaml.Node]]:
    if isinstance(node, yaml.MappingNode):
        yield from node.value
    else:
        yield from ((None, child) for child in _children(node))


def _child(node: yaml.Node | None, key: str | int) -> tuple[yaml.Node, int] | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key], node.value[key].start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name, child in node.value:
            if name.value == str(key):
                return child, name.start_mark.line + 1
    return None
