"""How fast a model answers on this machine: measured anew each time, never taken from a cache."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from tuneloop.errors import DataError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.results import Speed

NEVER_STOP: frozenset[int] = frozenset()
MIB = 2**20


def measure_speed(
    model: LanguageModel, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, batch_size: int
) -> Speed:
    """Latency and rates of greedy decoding, after a short answer to warm up.

    Time to first token is that of reading one prompt and choosing one token. The rate alone is that of the tokens
    behind the first. The rate of a batch counts everything, from reading its prompts to its last token; a batch larger
    than `prompts` repeats them. Every answer has `max_new_tokens` (at least 2): where a model would end is not a matter
    of speed.

    Args:
        model: what to ask; loaded here if it is not yet.
        prompts: token ids, as `chat.prompt_ids` gives them; eight are enough.
        max_new_tokens: per answer; 32 are enough.
        batch_size: rows decoded together.

    Raises:
        DataError: no prompts.
    """
    if not prompts:
        raise DataError("speed is measured on prompts, and there are none; give at least one test row")
    length = max(2, max_new_tokens)
    _seconds(model, prompts[:1], 2)
    _forget_peak(model)
    first = [_seconds(model, [prompt], 1) for prompt in prompts]
    whole = [_seconds(model, [prompt], length) for prompt in prompts]
    batch = [prompts[row % len(prompts)] for row in range(batch_size)]
    batch_seconds = _seconds(model, batch, length)
    return Speed(
        first_token_seconds=median(first),
        first_token_seconds_p95=_percentile_95(first),
        tokens_per_second_alone=median(_decoding_rate(*times, length) for times in zip(first, whole, strict=True)),
        tokens_per_second_batched=batch_size * length / batch_seconds,
        batch_size=batch_size,
        prompts=len(prompts),
        peak_memory_mib=_peak_mib(model),
        device=_device(model),
    )


def _seconds(model: LanguageModel, prompts: Sequence[Sequence[int]], tokens: int) -> float:
    begin = time.perf_counter()
    model.answers(prompts, max_new_tokens=tokens, stop=NEVER_STOP)
    return time.perf_counter() - begin


def _decoding_rate(first: float, whole: float, length: int) -> float:
    """Tokens per second behind the first one; the two times are of two runs, so noise may leave nothing between."""
    return (length - 1) / (whole - first) if whole > first else length / whole


def _percentile_95(values: Sequence[float]) -> float:
    import numpy as np

    return float(np.percentile(values, 95))


def _forget_peak(model: LanguageModel) -> None:
    """From here on: the kernel's high-water mark of resident memory, or the allocator's on a GPU."""
    if model.device_type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        return
    with suppress(OSError):  # not allowed in some sandboxes: then the peak is that of the process so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # see proc_pid_clear_refs(5)


def _peak_mib(model: LanguageModel) -> float:
    if model.device_type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / MIB
    marks = [line.split()[1] for line in _lines("/proc/self/status") if line.startswith("VmHWM")]
    return int(marks[0]) / 1024 if marks else psutil.Process().memory_info().rss / MIB


def _device(model: LanguageModel) -> str:
    if model.device_type == "cuda":
        import torch

        return torch.cuda.get_device_name()
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {model.cpu_threads} threads"


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
