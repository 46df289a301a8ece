"""Training, evaluation and the saved model's own tokenizer read one and the same prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chat_templates import CONVERSATIONS, FAMILIES, Family, make_tokenizer
from tests.tiny_models import CHAT_TEMPLATE, make_tiny_model, make_tiny_tokenizer
from tuneloop.chat import IGNORED, example_ids, load_tokenizer, prompt_format, prompt_ids
from tuneloop.evaluation.generation import generate_answers
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration

SYSTEM = "You answer for a lamp shop."
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
each_conversation = pytest.mark.parametrize("turns", CONVERSATIONS.values(), ids=CONVERSATIONS)


class Listening(LanguageModel):
    """Keeps the prompts that it is asked, and answers nothing but the end of the turn."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, threads=1)
        self.asked: list[list[int]] = []

    def load(self) -> None:
        """There are no weights."""

    @property
    def dtype(self) -> str:  # type: ignore[override]  # (torch is not needed to listen)
        return "none"

    def answers(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
    ) -> list[list[int]]:
        self.asked += [list(prompt) for prompt in prompts]
        return [[min(stop or self.stop_ids)][:max_new_tokens] for _ in prompts]


def trained_on(folder: Path, turns: Sequence[Message], system_prompt: str) -> list[int]:
    """What a training example holds before the answer."""
    record = Record("r1", tuple(turns), "here", 1)
    ids, labels = example_ids(load_tokenizer(folder), record, system_prompt)
    return [token for token, label in zip(ids, labels, strict=True) if label == IGNORED]


def asked_with(folder: Path, turns: Sequence[Message], system_prompt: str, cache: Path) -> list[int]:
    """What evaluation asks a model."""
    model = Listening(folder)
    generate_answers(
        model=model,
        model_hash="h",
        prompts=[turns[:-1]],
        system_prompt=system_prompt,
        max_new_tokens=4,
        batch_size=1,
        cache=cache,
    )
    (prompt,) = model.asked
    return prompt


@pytest.mark.parametrize("system_prompt", [SYSTEM, ""])
@each_conversation
@each_family
def test_evaluation_asks_exactly_what_training_put_before_the_answer(
    family: Family, turns: Sequence[Message], system_prompt: str, tmp_path: Path
) -> None:
    folder = make_tokenizer(family, tmp_path / "model")
    saved = tmp_path / "saved"
    load_tokenizer(folder).save_pretrained(saved)  # as training does beside the merged weights
    expected = trained_on(folder, turns, system_prompt)
    assert asked_with(folder, turns, system_prompt, tmp_path / "a") == expected
    assert asked_with(saved, turns, system_prompt, tmp_path / "b") == expected


@each_conversation
@each_family
def test_that_is_what_the_saved_models_own_template_gives_to_anyone_who_serves_it(
    family: Family, turns: Sequence[Message], tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    saved = tmp_path / "saved"
    load_tokenizer(make_tokenizer(family, tmp_path / "model")).save_pretrained(saved)
    if family.name == "gemma" and any(turn.role == "system" for turn in turns):
        pytest.skip("the template has no place for a system turn: ours goes into the user's")
    plain = [{"role": turn.role, "content": turn.content} for turn in turns[:-1]]
    served = AutoTokenizer.from_pretrained(saved).apply_chat_template(plain, add_generation_prompt=True)
    assert asked_with(saved, turns, "", tmp_path / "cache") == list(served["input_ids"])


def test_a_model_that_was_saved_and_read_again_has_the_format_it_had(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    folder = make_tiny_model(tmp_path / "base")
    before = load_tokenizer(folder)
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path / "merged")
    before.save_pretrained(tmp_path / "merged")
    assert prompt_format(load_tokenizer(tmp_path / "merged"), SYSTEM) == prompt_format(before, SYSTEM)


def test_templates_that_write_turns_differently_have_different_formats(tmp_path: Path) -> None:
    names = ("chatml", "llama3", "mistral", "gemma")
    found = {prompt_format(load_tokenizer(make_tokenizer(FAMILIES[n], tmp_path / n)), SYSTEM) for n in names}
    assert len(found) == len(names)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("assistant\n{% endif %}", "assistant{% endif %}"),
        ("You are tiny.", "You are small."),
        ("{{ turn['content'] }}", "{{ turn['content'] | trim }}"),
        ("<|im_end|>\n{% endfor %}", "<|endoftext|>\n{% endfor %}"),
    ],
    ids=["opening", "default system turn", "trimming", "end of turn"],
)
def test_a_changed_template_changes_the_format(old: str, new: str, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_tiny_tokenizer(tmp_path / "tiny"))
    before = prompt_format(tokenizer, "")
    assert old in CHAT_TEMPLATE
    tokenizer.chat_template = CHAT_TEMPLATE.replace(old, new)
    assert prompt_format(tokenizer, "") != before
    tokenizer.chat_template = CHAT_TEMPLATE
    assert prompt_format(tokenizer, "") == before


def test_a_dropped_system_prompt_changes_the_format(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_tiny_tokenizer(tmp_path / "tiny"))
    assert len({prompt_format(tokenizer, text) for text in (SYSTEM, SYSTEM + " ", "")}) == 3


def test_another_token_that_ends_answers_changes_the_format(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_tiny_tokenizer(tmp_path / "tiny"))
    before = prompt_format(tokenizer, SYSTEM)
    tokenizer.eos_token = "<|endoftext|>"
    assert prompt_format(tokenizer, SYSTEM) != before


def test_a_conversation_that_the_template_refuses_is_part_of_the_format(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(make_tiny_tokenizer(tmp_path / "tiny"))
    before = prompt_format(tokenizer, SYSTEM)
    refuse = "{% if messages | length > 3 %}{{ raise_exception('too long') }}{% endif %}"
    tokenizer.chat_template = refuse + CHAT_TEMPLATE
    assert prompt_ids(tokenizer, [Message("user", "Hello")], SYSTEM)
    assert prompt_format(tokenizer, SYSTEM) != before
