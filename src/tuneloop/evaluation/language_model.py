"""A local model to ask: loaded on the first question, on its fast path where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tuneloop import chat
from tuneloop.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from tuneloop.evaluation.fast_decoding import FastNetwork

T = TypeVar("T")
ROWS_PER_SHARD = 4
"""With fewer rows a thread would read all the weights for next to nothing."""

LOSSES_AT_ONCE = 256
"""Places whose logits exist at the same time: 50 MiB in float32 with a vocabulary of 49,152."""


class LanguageModel:
    """A model folder, its tokenizer, and greedy answers from it.

    Args:
        folder: safetensors and tokenizer.
        threads: CPU threads while it works; None takes every core that this process may use.
        dtype: None takes bf16 where the machine multiplies it in hardware, else float32.
        fast: None takes the fast path where the architecture is known; False always takes transformers' `generate`.
    """

    def __init__(
        self, folder: Path, *, threads: int | None = None, dtype: torch.dtype | None = None, fast: bool | None = None
    ) -> None:
        self.folder = folder
        self.threads = threads
        self._dtype = dtype
        self._fast = fast

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return chat.load_tokenizer(self.folder)

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: the template's end of turn, and the tokenizer's end of text."""
        return frozenset(chat.stop_ids(self.tokenizer))

    @cached_property
    def dtype(self) -> torch.dtype:
        return self._dtype or best_dtype()

    def load(self) -> None:
        """Read the weights and the tokenizer now, rather than at the first question."""
        _ = self._fast_network, self.stop_ids

    @property
    def device_type(self) -> str:
        """`cuda` or `cpu`."""
        return str(self._model.device.type)

    @property
    def cpu_threads(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    def answers(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
    ) -> list[list[int]]:
        """New token ids per prompt, in order, ended by one of `stop` unless `max_new_tokens` came first.

        `stop` is `stop_ids` by default; with an empty set every answer has `max_new_tokens`.
        """
        longest_first = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
        ends = self.stop_ids if stop is None else stop

        def answer(rows: Sequence[int]) -> list[list[int]]:
            chosen = [prompts[row] for row in rows]
            if self._fast_network is None:
                return self._slow_answers(chosen, max_new_tokens, ends)
            from tuneloop.evaluation import fast_decoding

            return fast_decoding.generate(self._fast_network, chosen, stop=ends, max_new_tokens=max_new_tokens)

        return self._in_shards(longest_first, answer)

    def text(self, answer: Sequence[int]) -> str:
        """An answer as text, without what closes the turn."""
        ids = list(answer)
        if ids[-len(self._turn_end) :] == self._turn_end:
            ids = ids[: -len(self._turn_end)]
        elif ids and ids[-1] in self.stop_ids:
            ids.pop()
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

    def losses(self, texts: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[float]]:
        """Negative log-likelihood, in nats, of each text's tokens from its place in `starts` (at least 1) on."""

        def read(rows: Sequence[int]) -> list[list[float]]:
            if self._fast_network is None:
                return [self._slow_losses(texts[row], starts[row]) for row in rows]
            from tuneloop.evaluation import fast_decoding

            return fast_decoding.answer_losses(
                self._fast_network, [texts[row] for row in rows], [starts[row] for row in rows]
            )

        return self._in_shards(range(len(texts)), read)

    def _in_shards(self, rows: Sequence[int], work: Callable[[Sequence[int]], list[T]]) -> list[T]:
        """`work` on the rows, cut into shards that run side by side; the results in the order of the row numbers.

        Threads that share a product wait for each other hundreds of times per token, and on a busy machine that is
        slower than one thread (measured: seven times). Threads with rows of their own never wait.
        """
        self.load()
        threads = self.cpu_threads
        count = 1 if self._fast_network is None else max(1, min(threads, len(rows) // ROWS_PER_SHARD))
        shards = [rows[start::count] for start in range(count)]
        with cpu_threads(max(1, threads // count)):
            done = _side_by_side(work, shards) if count > 1 else [work(rows)]
        by_row = {
            row: result
            for shard, part in zip(shards, done, strict=True)
            for row, result in zip(shard, part, strict=True)
        }
        return [by_row[row] for row in sorted(by_row)]

    @cached_property
    def _turn_end(self) -> list[int]:
        return chat.end_of_turn_ids(self.tokenizer)

    @cached_property
    def _model(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM, GenerationConfig

        try:
            model = AutoModelForCausalLM.from_pretrained(
                str(self.folder), dtype=self.dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
            )
        except (OSError, ValueError) as error:
            raise ModelError(f"{self.folder} holds no model that can be read ({error})") from error
        # `generate` fills what a call leaves open from here; a model's own may bring sampling or a repetition penalty.
        model.generation_config = GenerationConfig()
        return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

    @cached_property
    def _fast_network(self) -> FastNetwork | None:
        from tuneloop.evaluation import fast_decoding

        if self._fast is False or not fast_decoding.can_run(self._model):
            return None
        return fast_decoding.FastNetwork(self._model)

    def _slow_answers(
        self, prompts: Sequence[Sequence[int]], max_new_tokens: int, stop: frozenset[int]
    ) -> list[list[int]]:
        import torch
        from transformers import GenerationConfig

        longest = max(map(len, prompts))
        pad = int(self.tokenizer.pad_token_id)
        ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=self._model.device)
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=self._model.device)
        greedy = GenerationConfig(
            do_sample=False,
            max_new_tokens=max_new_tokens,
            min_new_tokens=0 if stop else max_new_tokens,
            eos_token_id=sorted(stop or self.stop_ids),
            pad_token_id=pad,
        )
        with torch.inference_mode():
            rows = self._model.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
        return [_up_to_stop(row[longest:].tolist(), stop) for row in rows]

    def _slow_losses(self, text: Sequence[int], start: int) -> list[float]:
        """One text at a time: nothing to pad, and logits of `LOSSES_AT_ONCE` places only.

        What comes before the first wanted token is read in one piece, the rest piece by piece behind its cache.
        """
        import torch
        from torch.nn.functional import cross_entropy

        ids = torch.tensor([list(text)], device=self._model.device)
        cuts = [0, *range(start, len(text) - 1, LOSSES_AT_ONCE), len(text) - 1]
        losses: list[float] = []
        cache = None
        with torch.inference_mode():
            for begin, end in pairwise(cuts):
                wanted = ids[0, max(start, begin + 1) : end + 1]
                read = self._model(
                    input_ids=ids[:, begin:end], past_key_values=cache, use_cache=True, logits_to_keep=len(wanted)
                )
                cache = read.past_key_values
                losses += cross_entropy(read.logits[0].float(), wanted, reduction="none").tolist()
        return losses


def best_dtype() -> torch.dtype:
    """bf16 on a GPU, and on a CPU that has instructions for it; elsewhere float32: emulated bf16 is slower."""
    import torch

    has = torch.cpu.get_capabilities()
    in_hardware = torch.cuda.is_available() or has.get("amx_bf16") or has.get("avx512_bf16")
    return torch.bfloat16 if in_hardware else torch.float32


@contextmanager
def cpu_threads(threads: int) -> Iterator[None]:
    """Use `threads` CPU threads per product inside the block, also in Python threads that are started there."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _side_by_side(work: Callable[[Sequence[int]], list[T]], shards: Sequence[Sequence[int]]) -> list[list[T]]:
    with ThreadPoolExecutor(len(shards)) as pool:
        return list(pool.map(work, shards))


def _up_to_stop(ids: list[int], stop: frozenset[int]) -> list[int]:
    for place, token in enumerate(ids):
        if token in stop:
            return ids[: place + 1]
    return ids
