"""The private test on a tiny Llama, by the machinery that scores the ordinary test rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tests.tuneloop.evaluation.private_rows import a_record, a_setup, asked, write_rows
from tuneloop.evaluation.evaluating import evaluate_model
from tuneloop.evaluation.private_test import score_private
from tuneloop.recipes import Evaluation

pytestmark = pytest.mark.integration


def test_the_private_test_measures_as_the_ordinary_one_does(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "private.parquet", [a_record(i) for i in range(6)])
    write_rows(tmp_path / "validation.parquet", [])
    model = make_tiny_model(tmp_path / "tiny")
    config = Evaluation(metrics=("exact_match",), max_new_tokens=4, max_rows=2, speed=False)
    setup = a_setup(tmp_path, config)

    private = score_private(asked(folder=model), setup=setup, private_file=rows, workspace=tmp_path / "ws")

    whole = a_setup(tmp_path, config.model_copy(update={"max_rows": None}), rows)
    names = {"name": "m", "model": model, "model_hash": "m1", "data_version": "v1"}
    ordinary = evaluate_model(**names, setup=whole, out=tmp_path / "out")  # type: ignore[arg-type]
    assert private.metrics == ordinary.metrics
    assert {m.n for m in private.metrics.values()} == {6}
    kept = sorted(f.name for f in (tmp_path / "ws").rglob("*") if f.is_file())
    assert len(kept) == 2, kept
    assert not any("secret" in f.read_text() for f in (tmp_path / "ws").rglob("*") if f.is_file())
    assert not list((tmp_path / "ws").rglob(".*"))
