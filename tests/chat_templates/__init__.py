"""Five families of chat templates in small: what sets each apart, in templates of our own and tiny tokenizers.

Beside each template stand the examples it must give, as text: what carries no loss is in ⟦double brackets⟧.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny_models import CORPUS
from tuneloop.records import Message

HERE = Path(__file__).parent
QUESTION, ANSWER = Message("user", "The lamp is late."), Message("assistant", "Which lamp?")
CONVERSATIONS = {
    "one_question": [QUESTION, ANSWER],
    "two_questions": [QUESTION, ANSWER, Message("user", "The green one."), Message("assistant", "Sent today.")],
    "system_prompt": [Message("system", "Be brief."), QUESTION, ANSWER],
}


@dataclass(frozen=True, slots=True)
class Family:
    """`added` tokens are in the vocabulary without being special; `end` closes an answer; `adds_bos`: as theirs does,
    the tokenizer puts `bos` in front of any plain text."""

    name: str
    special: tuple[str, ...]
    eos: str
    end: str
    bos: str | None = None
    pad: str | None = None
    added: tuple[str, ...] = ()
    adds_bos: bool = False

    @property
    def template(self) -> str:
        return (HERE / self.name / "template.jinja").read_text(encoding="utf-8")

    def expected(self, conversation: str) -> str:
        return (HERE / self.name / f"{conversation}.txt").read_text(encoding="utf-8").removesuffix("\n")


FAMILIES = {
    family.name: family
    for family in (
        Family("chatml", ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), eos="<|im_end|>", end="<|im_end|>",
               bos="<|im_start|>", pad="<|im_end|>"),
        Family("llama3", ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                          "<|eot_id|>"), eos="<|eot_id|>", end="<|eot_id|>", bos="<|begin_of_text|>", adds_bos=True),
        Family("mistral", ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"), eos="</s>", end="</s>", bos="<s>",
               adds_bos=True),
        Family("qwen", ("<|endoftext|>", "<|im_start|>", "<|im_end|>"), eos="<|im_end|>", end="<|im_end|>",
               pad="<|endoftext|>", added=("<think>", "</think>")),
        Family("gemma", ("<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"), eos="<eos>",
               end="<end_of_turn>", bos="<bos>", adds_bos=True, pad="<pad>"),
    )
}  # fmt: skip


def make_tokenizer(family: Family, folder: Path) -> Path:
    """Write the family's tokenizer: bytes and its own tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=list(family.special), show_progress=False, initial_alphabet=alphabet
    )
    inner.train_from_iterator(CORPUS, trainer)
    inner.add_tokens([AddedToken(token, special=False, normalized=False) for token in family.added])
    named: dict[str, Any] = {"bos_token": family.bos, "eos_token": family.eos, "pad_token": family.pad}
    if family.bos and family.adds_bos:
        inner.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, inner.token_to_id(family.bos))]
        )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, chat_template=family.template, **named)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    return folder
