"""Private rows, uses and reports for tests, made short."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneloop.evaluation.evaluating import EvaluationSetup
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.private_test import Asked
from tuneloop.evaluation.private_uses import identity_of
from tuneloop.recipes import AnswerFormat, Evaluation, Terms
from tuneloop.records import Message, Record
from tuneloop.results import Cost, Metric
from tuneloop.results.private_test import PrivateReport, PrivateUse

COST = Cost(seconds=1.0, peak_rss_mib=1.0)


def a_record(number: int) -> Record:
    turns = (Message("user", f"secret question {number}?"), Message("assistant", f"secret answer {number}"))
    return Record(f"p{number}", turns, "vault", number + 1, held_out=True)


def write_rows(file: Path, records: Sequence[Record]) -> Path:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "id": [r.id for r in records],
        "cluster": [f"c{r.id}" for r in records],
        "record": [json.dumps(r.to_json()) for r in records],
    }
    parquet.write_table(pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns])), file)
    return file


def a_use(model_hash: str = "m1", records: Sequence[Record] | None = None, **changes: Any) -> PrivateUse:
    rows = [a_record(i) for i in range(5)] if records is None else records
    rows_hash, sketch = identity_of(rows)
    usual: dict[str, Any] = {
        "at": "2026-11-22T09:00:00+00:00",
        "recipe": "desk",
        "by": "retraining-cycle",
        "model": f"round of {model_hash}",
        "model_hash": model_hash,
        "data_version": "v1",
        "rows": len(rows),
        "rows_hash": rows_hash,
        "sketch": sketch,
        "purpose": "report",
    }
    return PrivateUse(**usual | changes)


def a_report(low: float, high: float, **changes: Any) -> PrivateReport:
    usual: dict[str, Any] = {
        **a_use().model_dump(include={"recipe", "model", "model_hash", "data_version", "rows", "rows_hash", "purpose"}),
        "metrics": {"rouge_l": Metric(value=(low + high) / 2, low=low, high=high, n=5)},
        "confidence": 0.95,
        "cost": COST,
    }
    return PrivateReport(**usual | changes)


def a_setup(folder: Path, config: Evaluation, test_file: Path | None = None) -> EvaluationSetup:
    return EvaluationSetup(
        test_file=test_file or folder / "test.parquet",
        validation_file=folder / "validation.parquet",
        config=config,
        metrics=MetricOptions(answer=AnswerFormat(), terms=Terms(), root=folder),
        system_prompt="",
        suites=(),
        slice_values=lambda record, _: [record.source],
        generations=folder / "generations",
        threads=1,
    )


def asked(model_hash: str = "m1", **changes: Any) -> Asked:
    usual: dict[str, Any] = {
        "recipe": "desk",
        "model": f"round of {model_hash}",
        "model_hash": model_hash,
        "folder": Path("/nowhere"),
        "data_version": "v1",
        "by": "retraining-cycle",
    }
    return Asked(**usual | changes)
