from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tuneloop.errors import DataError
from tuneloop.evaluation.judge.pairs import read_pairs
from tuneloop.results import Cost, EvaluationReport


def report(folder: Path, ids: Sequence[str], *, prompt: str = "prompt of {}") -> EvaluationReport:
    import pandas as pd

    folder.mkdir()
    lines = [{"id": i, "prompt": prompt.format(i), "answer": f"{folder.name} {i}", "expected": "?"} for i in ids]
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pd.DataFrame({"id": list(ids), "cluster": [f"c-{i}" for i in ids]}).to_parquet(folder / "scores.parquet")
    return EvaluationReport(
        model=folder.name,
        model_hash="h",
        data_version="v",
        metrics={},
        scores=str(folder / "scores.parquet"),
        answers=str(folder / "answers.jsonl"),
        tokens_per_second=1.0,
        cost=Cost(seconds=1.0, peak_rss_mib=1.0),
    )


def test_the_rows_that_both_models_answered_become_pairs(tmp_path: Path) -> None:
    pairs = read_pairs(report(tmp_path / "new", "abcd"), report(tmp_path / "old", "bcde"), max_rows=None)
    assert sorted(pair.id for pair in pairs) == ["b", "c", "d"]
    found = next(pair for pair in pairs if pair.id == "b")
    assert (found.cluster, found.prompt, found.candidate, found.reference) == ("c-b", "prompt of b", "new b", "old b")


def test_a_sample_grows_without_changing(tmp_path: Path) -> None:
    new, old = report(tmp_path / "new", "abcdefgh"), report(tmp_path / "old", "hgfedcba")
    assert read_pairs(new, old, max_rows=3) == read_pairs(new, old, max_rows=5)[:3]


def test_rows_whose_prompts_differ_are_no_pairs(tmp_path: Path) -> None:
    new, old = report(tmp_path / "new", "ab"), report(tmp_path / "old", "ab", prompt="another {}")
    with pytest.raises(DataError, match="not tested on the same rows"):
        read_pairs(new, old, max_rows=None)


@pytest.mark.parametrize(("name", "content"), [("answers.jsonl", '{"id": "a'), ("scores.parquet", "no table")])
def test_a_torn_file_of_a_report_is_named(tmp_path: Path, name: str, content: str) -> None:
    new, old = report(tmp_path / "new", "ab"), report(tmp_path / "old", "ab")
    (tmp_path / "new" / name).write_text(content)
    with pytest.raises(DataError, match=f"{name} cannot be read .*evaluate the model again"):
        read_pairs(new, old, max_rows=None)
