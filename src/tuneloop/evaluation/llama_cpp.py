"""A GGUF file asked through llama.cpp itself, in token ids: what it says, and how likely it finds what others said.

llama.cpp comes with the extra `tuneloop[gguf]`, as the Python module `xllamacpp`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

from tuneloop.errors import ModelError

EXTRA = "pip install 'tuneloop[gguf]'"
SMALLEST_CONTEXT = 2048
"""Tokens that there is room for from the start; a longer prompt starts llama.cpp anew with twice as much."""

LEAST_LOG_PROBABILITY = -104.0
"""Of what llama.cpp calls impossible: its probabilities are float32, and below e^-104 there is only zero."""

CERTAIN = 1e6
"""Added to a token's logit, this makes it the one that is sampled. The probabilities told are those without it."""


class LlamaCpp:
    """A GGUF file in llama.cpp, in this process and on its CPU.

    One row at a time: rows that are computed together change each other's last digits, and which rows meet depends on
    the clock, so that the same model would not give the same answers twice.
    """

    def __init__(self, file: Path, *, threads: int) -> None:
        self._file = file
        self._threads = threads
        self._context = 0
        self._server: Any = None

    @cached_property
    def version(self) -> str:
        """Of the module that holds llama.cpp."""
        return str(_xllamacpp().__version__)

    def start(self, tokens: int = SMALLEST_CONTEXT) -> None:
        """Load the file with room for so many tokens, unless that was done.

        Raises:
            ModelError: the extra is not installed, or llama.cpp cannot load the file.
        """
        if tokens <= self._context:
            return
        module = _xllamacpp()
        params = module.CommonParams()
        params.model.path = str(self._file)
        room = max(SMALLEST_CONTEXT, 1 << (tokens - 1).bit_length())
        params.n_ctx, params.n_parallel, params.warmup, params.verbosity = room, 1, False, -1
        params.cache_ram_mib = 0  # copies of earlier prompts, up to 8 GiB: no prompt comes twice
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self._threads
        self._server = None  # frees the smaller one before the larger one takes memory
        try:
            self._server = module.Server(params)
        except RuntimeError as error:
            raise ModelError(f"llama.cpp cannot load {self._file}: {error}; export the model again") from error
        self._context = room
        # A server that is closed before its loop has begun hangs for ever (seen with xllamacpp 2026.10).
        self._server.handle_completions({"prompt": [0], "n_predict": 1})

    def answer(self, prompt: Sequence[int], max_new_tokens: int, *, never_end: bool = False) -> list[int]:
        """Greedy answer to a prompt's token ids, ended where llama.cpp ends it when it serves the file.

        With `never_end` it has `max_new_tokens`.

        Raises:
            ModelError: prompt and answer together are longer than the model can read.
        """
        options = {"n_predict": max_new_tokens, "ignore_eos": never_end, "cache_prompt": False, "return_tokens": True}
        return [int(token) for token in self._ask(prompt, max_new_tokens, options)["tokens"]]

    def log_probability(self, prompt: Sequence[int], token: int, *, whole: int, vocabulary: int) -> float:
        """Natural logarithm of the probability of `token` behind `prompt`; not a number if the model is broken.

        llama.cpp tells the probability of what it samples, so it is made to sample `token`. Of a token that is only
        the beginning of a character it tells nothing: then `whole` is sampled, and all candidates are told.

        Args:
            prompt: token ids, at least one. What it shares with the prompt before is not computed again.
            token: id of the token asked about.
            whole: id of a token that is no part of a character, such as the one that ends a turn.
            vocabulary: how many token ids there are.
        """
        told = self._told(prompt, sampled=token, candidates=1)
        if told is None:
            every = self._told(prompt, sampled=whole, candidates=vocabulary) or {}
            told = next((one for one in every.get("top_logprobs", []) if one["id"] == token), {"logprob": None})
        found = told["logprob"]
        return nan if found is None else max(float(found), LEAST_LOG_PROBABILITY)

    def _told(self, prompt: Sequence[int], *, sampled: int, candidates: int) -> Mapping[str, Any] | None:
        """What llama.cpp tells of the one token that it was made to sample; None if it keeps it to itself."""
        bias = {"logit_bias": [[sampled, CERTAIN]], "n_probs": candidates, "n_predict": 1, "cache_prompt": True}
        places: list[Mapping[str, Any]] = self._ask(prompt, 1, bias).get("completion_probabilities", [])
        return places[0] if places else None

    def _ask(self, prompt: Sequence[int], new_tokens: int, options: Mapping[str, Any]) -> Mapping[str, Any]:
        self.start(len(prompt) + new_tokens + 1)
        greedy = {"temperature": 0, "samplers": ["temperature"], "verbose": True}  # verbose: the reply has token ids
        reply = self._server.handle_completions({"prompt": list(prompt), **greedy, **options})
        if "__verbose" not in reply:
            raise ModelError(f"llama.cpp refuses a prompt of {len(prompt)} tokens: {_reason(reply)}")
        found: Mapping[str, Any] = reply["__verbose"]
        return found


def _reason(reply: Mapping[str, Any]) -> str:
    """In llama.cpp's words, without the prompt."""
    return str(reply.get("error", {}).get("message", "no reason given"))


def _xllamacpp() -> Any:
    try:
        import xllamacpp
    except ImportError as error:
        raise ModelError(f"a GGUF file is asked through llama.cpp: {EXTRA}") from error
    return xllamacpp
