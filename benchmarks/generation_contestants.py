"""Who takes part in `evaluation_generation`: each loads the model, answers one prompt, and is then measured."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from tuneloop import chat
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message
from tuneloop.training.export.gguf_files import write_gguf

ROOT = Path(__file__).resolve().parent.parent
HELD_OUT = ROOT / "examples" / "support_desk" / "heldout.jsonl"
RECIPE = ROOT / "deployments" / "recipes" / "support-desk.yaml"
GGUF = "server.gguf"
SERVERS = {"openvino": ("openvino_genai", "openvino-genai"), "llama.cpp": ("xllamacpp", "xllamacpp")}
"""Server -> module and package."""

Answer = Callable[[Sequence[list[int]]], list[list[int]]]
"""Token ids of prompts -> token ids of their answers."""


def write_server_file(model: Path, file: Path, precision: Any) -> None:
    """The GGUF file that the servers read."""
    write_gguf(model, file, precision)


def is_installed(server: str) -> bool:
    return find_spec(SERVERS[server][0]) is not None


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Rates of one contestant; its answers are kept in `options.out` for comparison."""
    import torch

    torch.set_num_threads(options.threads)
    prompts = _prompts(options)
    answer = CONTESTANTS[options.contestant](options)
    answer(prompts[-1:])
    wall, cpu = time.perf_counter(), time.process_time()
    answers = answer(prompts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    kept = options.out / f"{options.contestant}-{options.dtype}.json"
    kept.write_text(json.dumps(answers), encoding="utf-8")
    tokens = sum(map(len, answers))
    rates = {"tokens_per_second": tokens / wall, "tokens_per_cpu_second": tokens / cpu}
    return {**rates, "tokens": tokens, "peak_mib": _peak_mib()}


def _prompts(options: argparse.Namespace) -> list[list[int]]:
    tokenizer = chat.load_tokenizer(options.model)
    system = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))["model"]["system_prompt"]
    lines = HELD_OUT.read_text(encoding="utf-8").splitlines()[: options.prompts]
    return [chat.prompt_ids(tokenizer, [Message("user", json.loads(line)["prompt"])], system) for line in lines]


def _ours(options: argparse.Namespace) -> Answer:
    model = LanguageModel(options.model, threads=options.threads, dtype=_dtype(options))
    model.load()

    def answer(prompts: Sequence[list[int]]) -> list[list[int]]:
        """As `generate_answers` does it: the longest first, in batches."""
        order = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))
        found: dict[int, list[int]] = {}
        for start in range(0, len(order), options.batch):
            rows = order[start : start + options.batch]
            done = model.answers([prompts[row] for row in rows], max_new_tokens=options.tokens)
            found |= dict(zip(rows, done, strict=True))
        return [found[row] for row in range(len(prompts))]

    return answer


def _pipeline(options: argparse.Namespace) -> Answer:
    """The tutorial script, but that it is given the prompts' ids as text again, and asked for ids instead of text."""
    from transformers import pipeline

    pipe: Any = pipeline("text-generation", model=str(options.model), dtype=_dtype(options), device="cpu")

    def answer(prompts: Sequence[list[int]]) -> list[list[int]]:
        found = []
        for prompt in prompts:
            text = pipe.tokenizer.decode(prompt)
            (out,) = pipe(text, do_sample=False, max_new_tokens=options.tokens, return_tensors=True)
            ids = [int(i) for i in out["generated_token_ids"]]
            if ids[: len(prompt)] != prompt:
                raise SystemExit("the pipeline read other tokens than ours: the comparison would be of two prompts")
            found.append(ids[len(prompt) :])
        return found

    return answer


def _padded_batches(options: argparse.Namespace) -> Answer:
    """The library's own batches: sorted by length, padded on the left, 16 at a time."""
    model = LanguageModel(options.model, threads=options.threads, dtype=_dtype(options), fast=False)

    def answer(prompts: Sequence[list[int]]) -> list[list[int]]:
        ordered = sorted(prompts, key=len)
        batches = (ordered[start : start + 16] for start in range(0, len(ordered), 16))
        return [ids for batch in batches for ids in model.answers(batch, max_new_tokens=options.tokens)]

    return answer


def _openvino(options: argparse.Namespace) -> Answer:
    """OpenVINO GenAI with all prompts at once: it schedules them itself."""
    import openvino_genai

    tokenizer = chat.load_tokenizer(options.model)
    pipe = openvino_genai.LLMPipeline(str(options.out / GGUF), "CPU", INFERENCE_NUM_THREADS=options.threads)
    settings = openvino_genai.GenerationConfig(
        max_new_tokens=options.tokens, do_sample=False, apply_chat_template=False
    )

    def answer(prompts: Sequence[list[int]]) -> list[list[int]]:
        texts = pipe.generate([tokenizer.decode(prompt) for prompt in prompts], settings).texts
        return [chat.encode(tokenizer, text) for text in texts]

    return answer


def _llama_cpp(options: argparse.Namespace) -> Answer:
    """llama.cpp's server with 16 slots, which it fills by itself."""
    import xllamacpp

    tokenizer = chat.load_tokenizer(options.model)
    params = xllamacpp.CommonParams()
    params.model.path = str(options.out / GGUF)
    params.n_ctx, params.n_parallel, params.verbosity = 16 * 1024, 16, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options.threads
    server = xllamacpp.Server(params)

    def ask(prompt: list[int]) -> list[int]:
        reply = server.handle_completions({"prompt": prompt, "max_tokens": options.tokens, "temperature": 0})
        return chat.encode(tokenizer, reply["choices"][0]["text"])

    def answer(prompts: Sequence[list[int]]) -> list[list[int]]:
        with ThreadPoolExecutor(16) as callers:
            return list(callers.map(ask, prompts))

    return answer


def _dtype(options: argparse.Namespace) -> Any:
    import torch

    return getattr(torch, options.dtype)


def _peak_mib() -> float:
    """Of this process alone; `ru_maxrss` would begin with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


CONTESTANTS: dict[str, Callable[[argparse.Namespace], Answer]] = {
    "ours": _ours,
    "pipeline": _pipeline,
    "padded_batches": _padded_batches,
    "openvino": _openvino,
    "llama.cpp": _llama_cpp,
}
