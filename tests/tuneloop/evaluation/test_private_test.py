from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.tuneloop.evaluation.private_rows import COST, a_record, a_setup, asked, write_rows
from tuneloop.errors import DataError, ModelError
from tuneloop.evaluation.private_test import known_reports, score_private
from tuneloop.evaluation.private_uses import UseLedger
from tuneloop.recipes import Evaluation, Rule
from tuneloop.results import EvaluationReport, Metric
from tuneloop.results.private_test import PrivateReport, PrivateUse

if TYPE_CHECKING:
    from tuneloop.evaluation.evaluating import EvaluationSetup

CONFIG = Evaluation(max_rows=2, metrics=("rouge_l",))
SCORES = {"rouge_l": Metric(value=0.5, low=0.4, high=0.6, n=5)}


class Scorer:
    """Leaves what an evaluation leaves, and remembers what it was asked; `is_killed` stops it before its report."""

    def __init__(self, ledger: UseLedger, *, is_killed: bool = False) -> None:
        self.ledger, self.is_killed = ledger, is_killed
        self.setups: list[EvaluationSetup] = []

    def __call__(
        self, *, name: str, model_hash: str, data_version: str, setup: EvaluationSetup, out: Path, **_: Any
    ) -> Any:
        assert model_hash in {e.model_hash for e in self.ledger.entries()}, "the use comes before the score"
        self.setups.append(setup)
        for file in (out / "answers.jsonl", out / "scores.parquet", setup.generations / "cache.jsonl"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("secret answer")
        if self.is_killed:
            raise ModelError("killed here")
        return EvaluationReport(
            model=name, model_hash=model_hash, data_version=data_version, metrics=SCORES, tokens_per_second=1.0,
            scores=str(out / "scores.parquet"), answers=str(out / "answers.jsonl"), cost=COST,
        )  # fmt: skip


@pytest.fixture
def private_file(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "private.parquet", [a_record(i) for i in range(5)])


@pytest.fixture
def ledger(tmp_path: Path) -> UseLedger:
    return UseLedger.of(tmp_path / "ws", "desk")


def scored(folder: Path, scorer: Scorer, model_hash: str = "m1", **changes: Any) -> PrivateReport:
    return score_private(
        asked(model_hash),
        setup=changes.pop("setup", a_setup(folder, CONFIG)),
        private_file=folder / "private.parquet",
        workspace=folder / "ws",
        measure=scorer,
    )


@pytest.mark.usefixtures("private_file")
def test_a_score_is_means_of_all_private_rows_and_nothing_of_a_row_stays(tmp_path: Path, ledger: UseLedger) -> None:
    scorer = Scorer(ledger)

    report = scored(tmp_path, scorer)

    assert report.metrics == SCORES
    assert report.tracked == {"private_rouge_l": 0.5}
    assert (report.rows, report.models_scored, report.warnings) == (5, 1, [])
    (setup,) = scorer.setups
    assert (setup.config.max_rows, setup.config.slices, setup.config.speed) == (None, (), False)
    assert (setup.suites, setup.validation_file) == ((), None)
    kept = [f for f in (tmp_path / "ws").rglob("*") if f.is_file()]
    assert sorted(f.suffix for f in kept) == [".json", ".jsonl"]
    for file in kept:
        assert "secret" not in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.usefixtures("private_file")
def test_the_same_score_is_made_and_counted_once(tmp_path: Path, ledger: UseLedger) -> None:
    scorer = Scorer(ledger)

    first, second = scored(tmp_path, scorer), scored(tmp_path, scorer)

    assert first == second
    assert len(scorer.setups) == len(ledger.entries()) == 1


@pytest.mark.usefixtures("private_file")
def test_other_settings_are_scored_anew_but_are_no_other_model(tmp_path: Path, ledger: UseLedger) -> None:
    scorer = Scorer(ledger)
    scored(tmp_path, scorer)

    report = scored(tmp_path, scorer, setup=replace(a_setup(tmp_path, CONFIG), system_prompt="Be brief."))

    assert (len(scorer.setups), len(ledger.entries()), report.models_scored) == (2, 1, 1)
    assert len(known_reports(tmp_path / "ws", "desk")) == 2


@pytest.mark.usefixtures("private_file")
def test_a_run_that_is_cut_off_has_used_the_rows_and_leaves_no_answers(tmp_path: Path, ledger: UseLedger) -> None:
    with pytest.raises(ModelError, match="killed"):
        scored(tmp_path, Scorer(ledger, is_killed=True))
    assert [e.model_hash for e in ledger.entries()] == ["m1"]

    report = scored(tmp_path, Scorer(ledger), "m2")

    assert report.models_scored == 2
    assert not list((tmp_path / "ws").rglob("answers.jsonl"))


@pytest.mark.usefixtures("private_file")
def test_a_second_candidate_before_a_promotion_is_warned_of(tmp_path: Path, ledger: UseLedger) -> None:
    scored(tmp_path, Scorer(ledger))
    report = scored(tmp_path, Scorer(ledger), "m2")

    assert "2 candidates" in report.warnings[0]
    assert report.optimism["rouge_l"] == pytest.approx(0.1 / 1.96 * 1.1774, rel=1e-3)
    assert f"rouge_l {report.optimism['rouge_l']:.3f}" in report.warnings[1]


@pytest.mark.usefixtures("private_file")
def test_a_promotion_between_two_scores_keeps_the_set_private(tmp_path: Path, ledger: UseLedger) -> None:
    scored(tmp_path, Scorer(ledger))
    ledger.note_promotion("m1")

    assert scored(tmp_path, Scorer(ledger), "m2").warnings == []


@pytest.mark.usefixtures("private_file")
def test_a_gate_that_names_a_private_metric_makes_every_use_a_choice(tmp_path: Path, ledger: UseLedger) -> None:
    config = CONFIG.model_copy(update={"rules": (Rule(metric="private_rouge_l"),)})

    report = scored(tmp_path, Scorer(ledger), setup=a_setup(tmp_path, config))

    (use,) = ledger.entries()
    assert isinstance(use, PrivateUse)
    assert use.purpose == report.purpose == "choose"
    assert len(report.warnings) == 2


def test_a_recipe_without_private_rows_is_told_how_to_have_some(tmp_path: Path, ledger: UseLedger) -> None:
    with pytest.raises(DataError, match="private: true"):
        scored(tmp_path, Scorer(ledger))
    assert ledger.entries() == []


@pytest.mark.usefixtures("private_file")
def test_a_torn_report_is_made_again(tmp_path: Path, ledger: UseLedger) -> None:
    first = scored(tmp_path, Scorer(ledger))
    (file,) = (tmp_path / "ws" / "private-uses" / "desk").glob("*.json")
    file.write_text("{torn")
    assert known_reports(tmp_path / "ws", "desk") == []

    assert scored(tmp_path, Scorer(ledger)) == first
