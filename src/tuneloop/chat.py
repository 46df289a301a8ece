"""The one place where a conversation becomes tokens: training, evaluation and the data checks all read it from here.

The prompt is what the model's own chat template makes of the turns before the answer; the answer's tokens are put
behind it and closed with the template's end-of-turn token. So an example is, token for token, what a perfect generation
from the same prompt would be, and a template's own habits (SmolLM2 adds a system prompt of its own where none is given)
are the same in training and in generation.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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


def count_tokens(tokenizer: PreTrainedTokenizerBase, record: Record, system_prompt: str) -> int:
    """Length of the training example, in tokens."""
    return len(example_ids(tokenizer, record, system_prompt)[0])


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


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """Special tokens, and added ones that the template itself writes (Qwen's `<think>` is not marked special)."""
    template = str(tokenizer.chat_template)
    added = tokenizer.added_tokens_decoder.values()
    return [
        t.content for t in added if len(t.content) > 1 and (t.special or (t.content.strip() and t.content in template))
    ]
