"""The one place where a conversation becomes tokens: training, evaluation and the data checks all read it from here.

The prompt is what the model's own chat template makes of the turns before the answer; the answer's tokens are put
behind it and closed with the template's end-of-turn token. So an example is, token for token, what a perfect generation
from the same prompt would be, and a template's own habits (SmolLM2 adds a system prompt of its own where none is given)
are the same in training and in generation. Where the template has no place for a system turn (Gemma's), its text goes
in front of the first user turn, everywhere alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import DataError, ModelError
from tuneloop.records import Message, Record, content_hash

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""The label of tokens that carry no loss."""

ROLES = ("system", "user", "assistant")
UNREADABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError, ImportError)
"""What transformers raises at a tokenizer's files that are damaged."""
SHOWN = 200
ZERO_WIDTH_SPACE = "\u200b"
PROBE = "probe"
"""A text whose place in a rendered template shows what the template writes around it."""

MARKUP = re.compile(r"\[/?[A-Z_]{2,}\]|<<?/?[A-Za-z_|]{2,}>>?")
"""What templates write around a turn where the vocabulary has no token for it: [INST] and <<SYS>> of Llama 2."""

FIXED_CONVERSATIONS = (
    (Message("user", "Where is my parcel?"),),
    (Message("user", "Hello"), Message("assistant", "Hello! How can I help?"), Message("user", "12:45, “tomorrow”?\n")),
    (Message("system", "Answer in one word."), Message("user", "Is it late?")),
)
"""What `prompt_format` looks at: without a system turn, with earlier turns, and with a system turn of the row."""


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
    except UNREADABLE as error:
        raise ModelError(
            f"{folder} has no tokenizer that can be read ({type(error).__name__}: {str(error)[:SHOWN]}); fetch "
            "tokenizer.json and tokenizer_config.json again and copy them there"
        ) from error
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
    turns = with_system(messages, system_prompt)
    return encode(tokenizer, render(tokenizer, turns, add_generation_prompt=True))


def example_ids(tokenizer: PreTrainedTokenizerBase, record: Record, system_prompt: str) -> tuple[list[int], list[int]]:
    """(input_ids, labels) of one training example, equally long.

    Labels are `IGNORED` everywhere but on the answer and the token that ends the turn.

    Raises:
        DataError: the last turn is not the assistant's, or a role is unknown.
    """
    if not record.messages or record.messages[-1].role != "assistant":
        raise DataError(f"row {record.id} does not end with an assistant turn")
    prompt = prompt_ids(tokenizer, record.messages[:-1], system_prompt)
    answer = [*encode(tokenizer, defused(tokenizer, record.completion)), *end_of_turn_ids(tokenizer)]
    return prompt + answer, [IGNORED] * len(prompt) + answer


def end_of_turn_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What the template writes behind an answer, up to its first control token: generation stops there.

    Read from the template because `eos_token` is another token in some models (Gemma closes a turn with its own one).

    Raises:
        ModelError: the template writes no control token there, and the tokenizer has no `eos_token` either.
    """
    return list(habits(tokenizer).end_of_turn)


def prompt_format(tokenizer: PreTrainedTokenizerBase, system_prompt: str) -> str:
    """Hex SHA-256 of the tokens that fixed conversations become, of those that close an answer and those that stop one.

    Equal hashes: the template, the tokenizer and the system prompt make the same prompts. A conversation that the
    template refuses counts as refused.
    """
    prompts = [_prompt_or_none(tokenizer, turns, system_prompt) for turns in FIXED_CONVERSATIONS]
    return content_hash([prompts, end_of_turn_ids(tokenizer), stop_ids(tokenizer)])


def _prompt_or_none(
    tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message], system_prompt: str
) -> list[int] | None:
    try:
        return prompt_ids(tokenizer, turns, system_prompt)
    except DataError:
        return None


def stop_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Every id that ends an answer, ascending: the template's end of turn and the tokenizer's end of text."""
    ends = {end_of_turn_ids(tokenizer)[-1], tokenizer.eos_token_id}
    return sorted(int(i) for i in ends if i is not None)


def with_system(messages: Sequence[Message], system_prompt: str) -> list[Message]:
    """The turns, with the system prompt in front where they bring none of their own."""
    if system_prompt and not any(m.role == "system" for m in messages):
        return [Message("system", system_prompt), *messages]
    return list(messages)


def render(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message], *, add_generation_prompt: bool) -> str:
    """The turns as the model's own template writes them.

    Raises:
        DataError: an unknown role, or an order of turns that the template refuses.
    """
    from jinja2 import TemplateError

    unknown = sorted({m.role for m in turns} - set(ROLES))
    if unknown:
        raise DataError(f"unknown role {unknown[0]!r}; a turn is one of {', '.join(ROLES)}")
    if turns and turns[0].role == "system" and not habits(tokenizer).takes_system:
        turns = _with_system_in_front_of_user(turns)
    plain = [{"role": m.role, "content": defused(tokenizer, m.content)} for m in turns]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=add_generation_prompt))
    except TemplateError as error:
        raise DataError(f"the model's chat template refuses this order of turns: {error}") from error


def _with_system_in_front_of_user(turns: Sequence[Message]) -> list[Message]:
    """The leading system turns' text, a blank line, and the text of the first user turn, as one user turn."""
    leading = list(takewhile(lambda m: m.role == "system", turns))
    rest = list(turns[len(leading) :])
    first = next((i for i, m in enumerate(rest) if m.role == "user"), None)
    if first is None:
        return list(turns)
    text = "\n\n".join(m.content for m in [*leading, rest[first]])
    return [*rest[:first], Message("user", text), *rest[first + 1 :]]


def encode(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of a text, with nothing added in front or behind."""
    return [int(i) for i in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def defused(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """`text` with a zero-width space inside every control token someone wrote out, so that it stays ordinary text.

    Escaping works with every template and tokenizer; encoding the turns piece by piece would not survive templates
    that trim or inspect a turn's content.
    """
    control = [t for t in habits(tokenizer).reserved if t in text]
    if not control:
        return text
    longest_first = "|".join(re.escape(t) for t in sorted(control, key=len, reverse=True))
    return re.sub(longest_first, lambda m: m[0][0] + ZERO_WIDTH_SPACE + m[0][1:], text)


@dataclass(frozen=True, slots=True)
class Habits:
    """What a tokenizer's template does in every conversation.

    `control`: special tokens, and added ones that the template itself writes (Qwen's `<think>` is not marked special).
    `reserved`: those, and the markup that no token stands for: texts must not hold it.
    """

    control: tuple[str, ...]
    reserved: tuple[str, ...]
    end_of_turn: tuple[int, ...]
    takes_system: bool


def habits(tokenizer: PreTrainedTokenizerBase) -> Habits:
    """What the tokenizer's template does in every conversation; found out once."""
    return _habits_of(tokenizer, str(tokenizer.chat_template), len(tokenizer), tokenizer.eos_token)


@lru_cache(maxsize=8)
def _habits_of(tokenizer: PreTrainedTokenizerBase, template: str, _size: int, _eos: str | None) -> Habits:
    """Kept, because each row needs them and finding them out costs more than the row; a changed tokenizer is read
    anew."""
    asked, answered = Message("user", PROBE), Message("assistant", PROBE)
    conversation = _probed(tokenizer, [asked, answered]) or ""
    with_system = _probed(tokenizer, [Message("system", f"{PROBE}s"), asked])
    added = tokenizer.added_tokens_decoder.values()
    control = tuple(
        t.content for t in added if len(t.content) > 1 and (t.special or (t.content.strip() and t.content in template))
    )
    markup = MARKUP.findall(f"{conversation}{with_system or ''}")
    return Habits(
        control=control,
        reserved=tuple(dict.fromkeys([*control, *markup])),
        end_of_turn=_end_of_turn(tokenizer, conversation.rpartition(PROBE)[2]),
        takes_system=with_system is not None and f"{PROBE}s" in with_system,
    )


def _probed(tokenizer: PreTrainedTokenizerBase, turns: Sequence[Message]) -> str | None:
    """The turns as the template writes them; None where it refuses them."""
    from jinja2 import TemplateError

    plain = [{"role": m.role, "content": m.content} for m in turns]
    try:
        return str(tokenizer.apply_chat_template(plain, tokenize=False))
    except TemplateError:
        return None


def _end_of_turn(tokenizer: PreTrainedTokenizerBase, after_answer: str) -> tuple[int, ...]:
    ids = encode(tokenizer, after_answer)
    control = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    for position, token in enumerate(ids):
        if token in control:
            return tuple(ids[: position + 1])
    if tokenizer.eos_token_id is None:
        raise ModelError("nothing ends an answer: neither the chat template nor eos_token; set one in the tokenizer")
    return (int(tokenizer.eos_token_id),)
