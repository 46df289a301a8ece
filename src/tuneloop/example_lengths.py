"""How long training examples are, or at most can be, for the model that will read them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.chat import (
    PROBE,
    ZERO_WIDTH_SPACE,
    defused,
    encode,
    end_of_turn_ids,
    habits,
    load_tokenizer,
    render,
    with_system,
)
from tuneloop.errors import DataError
from tuneloop.records import Message, Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ZERO_WIDTH_BYTES = len(ZERO_WIDTH_SPACE.encode())
SLACK_PER_TURN = 4
"""Tokens a tokenizer may put before a text of its own accord: a space, a beginning of sequence."""


@dataclass(frozen=True, slots=True)
class ExampleLengths:
    """A `ports.TokenCounter`: what `example_ids` would be long, with the tokenizer in the folder `base`.

    Pickled it is a path and a text; each process loads the tokenizer once, when it first needs it.
    """

    base: Path
    system_prompt: str = ""

    def count(self, records: Sequence[Record]) -> list[int]:
        """Tokens of each example, exactly; 0 where the template refuses the row. Tokenised in one batch, which takes
        less than half the time that `example_ids` takes row by row."""
        tokenizer = _shared_tokenizer(self.base)
        prompts = [_prompt_or_none(tokenizer, r, self.system_prompt) for r in records]
        answered = [i for i, prompt in enumerate(prompts) if prompt is not None]
        answers = [defused(tokenizer, records[i].completion) for i in answered]
        sizes = _sizes(tokenizer, [*(str(prompts[i]) for i in answered), *answers])
        closing = len(end_of_turn_ids(tokenizer)) if answered else 0
        counts = [0] * len(records)
        for place, i in enumerate(answered):
            counts[i] = sizes[place] + sizes[len(answered) + place] + closing
        return counts

    def at_most(self, records: Sequence[Record]) -> list[int]:
        """An upper bound for each example, found without tokenising it; 0 where the template refuses its turns.

        Every token stands for at least one byte of the text it was made of (in byte-level and byte-fallback
        vocabularies; an unknown-word token stands for more). So a text has no more tokens than UTF-8 bytes, as it is
        or as a tokenizer's normaliser leaves it, of which NFKD is the longest. What the template adds is measured once
        per order of turns; a control token that somebody wrote out grows by a zero-width space.
        """
        first = _first_characters(self.base)
        return [self._bound(r, first) for r in records]

    def _bound(self, record: Record, first: Sequence[str]) -> int:
        frame = _frame(self.base, self.system_prompt, tuple(m.role for m in record.messages))
        if frame is None:
            return 0
        sizes = [_most_bytes(m.content) + ZERO_WIDTH_BYTES * sum(map(m.content.count, first)) for m in record.messages]
        repeated = sum(times * size for times, size in zip(frame.times, sizes, strict=True))
        return frame.size + repeated + SLACK_PER_TURN * len(sizes)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the template makes of an order of turns: `size` bounds the tokens that are in every such example, and each
    turn's content appears `times` times."""

    size: int
    times: tuple[int, ...]


@lru_cache(maxsize=1024)
def _frame(base: Path, system_prompt: str, roles: tuple[str, ...]) -> _Frame | None:
    """None: the template refuses these turns, or the last one is not the assistant's."""
    tokenizer = _shared_tokenizer(base)
    probes = [Message(role, f"{PROBE}{i}{PROBE}") for i, role in enumerate(roles)]
    text = _prompt_or_none(tokenizer, Record("", tuple(probes), "", 0), system_prompt)
    if text is None:
        return None
    times = [max(text.count(p.content), 1) for p in probes[:-1]]
    return _Frame(_fixed_size(tokenizer, text) + len(end_of_turn_ids(tokenizer)), (*times, 1))


def _fixed_size(tokenizer: PreTrainedTokenizerBase, text: str) -> int:
    """Tokens of a rendered prompt without its probes. Between control tokens stand pieces that are tokenised each by
    itself: those without a probe are always the same tokens, of the others the bytes around the probe are counted."""
    control = habits(tokenizer).control
    pieces = re.split("|".join(map(re.escape, sorted(control, key=len, reverse=True))), text) if control else [text]
    lengths = _run_lengths(encode(tokenizer, text), set(tokenizer.convert_tokens_to_ids(control)))
    if len(lengths) != len(pieces):
        return _most_bytes(text)
    bare = [re.sub(rf"{PROBE}\d+{PROBE}", "", piece) for piece in pieces]
    sizes = [
        length if piece == rest else _most_bytes(rest)
        for piece, rest, length in zip(pieces, bare, lengths, strict=True)
    ]
    return sum(sizes) + len(pieces) - 1


def _run_lengths(ids: Sequence[int], separators: set[int]) -> list[int]:
    runs = [0]
    for i in ids:
        if i in separators:
            runs.append(0)
        else:
            runs[-1] += 1
    return runs


@cache
def _shared_tokenizer(base: Path) -> PreTrainedTokenizerBase:
    """For measuring alone; nothing changes it after it is loaded."""
    tokenizer = load_tokenizer(base)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
    return tokenizer


@cache
def _first_characters(base: Path) -> tuple[str, ...]:
    return tuple(sorted({t[0] for t in habits(_shared_tokenizer(base)).reserved}))


def _prompt_or_none(tokenizer: PreTrainedTokenizerBase, record: Record, system_prompt: str) -> str | None:
    if not record.messages or record.messages[-1].role != "assistant":
        return None
    try:
        return render(tokenizer, with_system(record.messages[:-1], system_prompt), add_generation_prompt=True)
    except DataError:
        return None


def _sizes(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Tokens of each text. Half a surrogate pair, which no tokenizer takes, counts as a question mark."""
    sound = [t if t.isascii() else t.encode("utf-8", "replace").decode() for t in texts]
    if not tokenizer.is_fast:
        return [len(encode(tokenizer, t)) for t in sound]
    # The inner tokenizer, because it need not work out where in the text each token stands: a quarter less time.
    return [len(e) for e in tokenizer.backend_tokenizer.encode_batch_fast(sound, add_special_tokens=False)]


def _most_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    forms = (text, unicodedata.normalize("NFKD", text))
    return max(len(form.encode("utf-8", "surrogatepass")) for form in forms)
