"""The one place where a conversation becomes tokens: training, evaluation and the data checks all read it from here.

The prompt is what the model's own chat template makes of the turns before the answer; the answer's tokens are put
behind it and closed with the template's end-of-turn token. So an example is, token for token, what a perfect generation
from the same prompt would be, and a template's own habits (SmolLM2 adds a system prompt of its own where none is given)
are the same in training and in generation.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import DataError, ModelError
from tuneloop.records import Message, Record

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of tokens that carry no loss."""

ROLES = ("system", "user", "assistant")
ZERO_WIDTH_SPACE = "\u200b"
PROBE = "probe"

ZERO_WIDTH_BYTES = len(ZERO_WIDTH_SPACE.encode())
SLACK_PER_TURN = 4
"""Tokens a tokenizer may put before a text of its own accord: a space, a beginning of sequence."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in a local model folder, padding on the right.

    Raises:
        ModelError: the folder has no tokenizer, or the tokenizer has no chat template.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} has no tokenizer that can be read ({error}); copy tokenizer.json there") from error
    if not tokenizer.chat_template:
        raise ModelError(f"the tokenizer in {folder} has no chat template; take an instruction-tuned model")
    tokenizer.padding_side = "right"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], system_prompt: str) -> list[int]:
    """Token ids of the conversation so far plus the opening of the assistant's turn.

    A system turn in `messages` wins over `system_prompt`; with neither, the template does what it does by itself.
    """
    turns = _with_system(messages, system_prompt)
    return _encode(tokenizer, _render(tokenizer, turns, add_generation_prompt=True))


def example_ids(tokenizer: PreTrainedTokenizerBase, record: Record, system_prompt: str) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of one training example, equally long.

    Labels are `IGNORED` everywhere but on the answer and the token that ends the turn.

    Raises:
        DataError: the last turn is not the assistant's, or a role is unknown.
    """
    if not record.messages or record.messages[-1].role != "assistant":
        raise DataError(f"row {record.id} does not end with an assistant turn")
    prompt = prompt_ids(tokenizer, record.messages[:-1], system_prompt)
    answer = [*_encode(tokenizer, _defused(tokenizer, record.completion)), *end_of_turn_ids(tokenizer)]
    return prompt + answer, [IGNORED] * len(prompt) + answer


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
        answers = [_defused(tokenizer, records[i].completion) for i in answered]
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


def end_of_turn_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the template writes behind an answer, up to its first control token: generation stops there.

    Read from the template because `eos_token` is another token in some models (Gemma closes a turn with its own one).
    """
    turns = [Message("user", PROBE), Message("assistant", PROBE)]
    after_answer = _render(tokenizer, turns, add_generation_prompt=False).rpartition(PROBE)[2]
    ids = _encode(tokenizer, after_answer)
    control = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    for position, token in enumerate(ids):
        if token in control:
            return ids[: position + 1]
    return [int(tokenizer.eos_token_id)]


def _with_system(messages: Sequence[Message], system_prompt: str) -> list[Message]:
    if system_prompt and not any(m.role == "system" for m in messages):
        return [Message("system", system_prompt), *messages]
    return list(messages)


def _render(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message], *, add_generation_prompt: bool) -> str:
    from jinja2 import TemplateError

    unknown = sorted({m.role for m in turns} - set(ROLES))
    if unknown:
        raise DataError(f"unknown role {unknown[0]!r}; a turn is one of {', '.join(ROLES)}")
    plain = [{"role": m.role, "content": _defused(tokenizer, m.content)} for m in turns]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=add_generation_prompt))
    except TemplateError as error:
        raise DataError(f"the model's chat template refuses this order of turns: {error}") from error


def _encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return [int(i) for i in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _defused(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """`text` with a zero-width space inside every control token someone wrote out, so that it stays ordinary text.

    Escaping works with every template and tokenizer; encoding the turns piece by piece would not survive templates
    that trim or inspect a turn's content.
    """
    control = [t for t in _control_tokens(tokenizer) if t in text]
    if not control:
        return text
    longest_first = "|".join(re.escape(t) for t in sorted(control, key=len, reverse=True))
    return re.sub(longest_first, lambda m: m[0][0] + ZERO_WIDTH_SPACE + m[0][1:], text)


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Special tokens, and added ones that the template itself writes (Qwen's `<think>` is not marked special)."""
    return _control_tokens_of(tokenizer, str(tokenizer.chat_template), len(tokenizer))


@lru_cache(maxsize=8)
def _control_tokens_of(tokenizer: PreTrainedTokenizerBase, template: str, _size: int) -> tuple[str, ...]:
    """Kept, because reading the added tokens costs more than looking for them; a changed tokenizer is read anew."""
    added = tokenizer.added_tokens_decoder.values()
    return tuple(
        t.content for t in added if len(t.content) > 1 and (t.special or (t.content.strip() and t.content in template))
    )


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
    control = _control_tokens(tokenizer)
    pieces = re.split("|".join(map(re.escape, sorted(control, key=len, reverse=True))), text) if control else [text]
    lengths = _run_lengths(_encode(tokenizer, text), set(tokenizer.convert_tokens_to_ids(control)))
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
    return tuple(sorted({t[0] for t in _control_tokens(_shared_tokenizer(base))}))


def _prompt_or_none(tokenizer: PreTrainedTokenizerBase, record: Record, system_prompt: str) -> str | None:
    if not record.messages or record.messages[-1].role != "assistant":
        return None
    try:
        return _render(tokenizer, _with_system(record.messages[:-1], system_prompt), add_generation_prompt=True)
    except DataError:
        return None


def _sizes(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[int]:
    """Tokens of each text. Half a surrogate pair, which no tokenizer takes, counts as a question mark."""
    sound = [t if t.isascii() else t.encode("utf-8", "replace").decode() for t in texts]
    if not tokenizer.is_fast:
        return [len(_encode(tokenizer, t)) for t in sound]
    # The inner tokenizer, because it need not work out where in the text each token stands: a quarter less time.
    return [len(e) for e in tokenizer.backend_tokenizer.encode_batch_fast(sound, add_special_tokens=False)]


def _most_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    forms = (text, unicodedata.normalize("NFKD", text))
    return max(len(form.encode("utf-8", "surrogatepass")) for form in forms)
