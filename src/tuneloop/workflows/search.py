"""Search for better training values trial by trial, and train on more and more rows for a learning curve."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.files import lock
from tuneloop.recipes import Recipe
from tuneloop.records import content_hash
from tuneloop.reports.search import curve_verdict, verdict
from tuneloop.results import DataReport, LossPoint
from tuneloop.results.search import (
    Comparison,
    CurvePoint,
    LearningCurve,
    SearchReport,
    Trial,
    TrialResult,
    curve_folder,
    save,
    search_folder,
)
from tuneloop.settings import Settings
from tuneloop.training.base_models import folder_hash
from tuneloop.training.fine_tuning import fine_tune
from tuneloop.training.search import learning_curve
from tuneloop.training.search.learning_curve import count_rows, write_sample
from tuneloop.training.search.row_losses import RowLosses, compare, row_losses
from tuneloop.training.search.searching import Searcher, kept_loss
from tuneloop.training.search.space import changed, with_values

_log = logging.getLogger(__name__)


@contextmanager
def one_run_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process works in `folder`; a killed one gives it up."""
    with lock(folder / "run.lock"):
        yield


@dataclass(frozen=True)
class Search:
    """A recipe's search on a data version; what is found lies in its folder, where a later call goes on."""

    recipe: Recipe
    data: DataReport
    base: Path
    folder: Path
    trials: int | None
    """How many in all; None: as the recipe says."""
    threads: int | None

    def next_trial(self) -> Trial | None:
        return self._searcher().next_trial()

    def run(self, trial: Trial) -> tuple[TrialResult, SearchReport]:
        """Train with the trial's values, or go on where that was cut off."""
        searcher = self._searcher()
        result = searcher.run(
            trial,
            train_file=self._train_file(),
            data_version=self.data.version,
            on_progress=_log_validation,
            threads=self.threads,
            **_judged_by(self.recipe, self.data, self.base),
        )
        _log.info("trial %d %s, validation loss %s", result.number, result.state, result.loss)
        return result, self._save_report(searcher)

    def conclude(self) -> SearchReport:
        """Compare the best trial with what the recipe has, row by row, over the validation rows."""
        searcher = self._searcher()
        report = self._save_report(searcher, self._comparison(searcher))
        _log.info("%s", verdict(report))
        return report

    def _searcher(self) -> Searcher:
        return Searcher(self.folder, self.recipe.search, self.recipe.training, trials=self.trials)

    def _train_file(self) -> Path:
        whole, most = Path(self.data.folder) / "train.parquet", self.recipe.search.max_train_rows
        return whole if most is None else write_sample(whole, most, self.folder / f"rows-{most}.parquet")

    def _comparison(self, searcher: Searcher) -> Comparison | None:
        results, best = searcher.results(), searcher.best()
        own_is_trained = bool(results) and results[0].state == "finished"
        if best in {None, 0} or not own_is_trained or self.recipe.training.objective != "sft":
            return None

        def losses(number: int) -> RowLosses:
            config = with_values(self.recipe.training, results[number].values)
            judged_by = _judged_by(self.recipe, self.data, self.base)
            return row_losses(adapter=searcher.adapter(number), config=config, **judged_by)

        candidates = sum(result.state in {"finished", "pruned"} for result in results) - 1
        return compare(losses(best or 0), losses(0), candidates=candidates)

    def _save_report(self, searcher: Searcher, comparison: Comparison | None = None) -> SearchReport:
        results, best = searcher.results(), searcher.best()
        report = SearchReport(
            recipe=self.recipe.name,
            data_version=self.data.version,
            rows=count_rows(self._train_file()),
            validation_rows=self.data.rows_validation,
            planned=searcher.trials,
            trials=results,
            comparison=comparison,
            lines=changed(self.recipe.training, results[best].values) if best is not None else {},
        )
        save(report, self.folder / "search.json")
        return report


def search_of(recipe: Recipe, data: DataReport, base: Path, *, trials: int | None, settings: Settings) -> Search:
    """Return the one search for equal data, base, training and search section; the number of trials may grow."""
    searched = recipe.search.model_dump(exclude={"trials"})
    folder = search_folder(settings.workspace_path, recipe.name, _key(recipe, data, base, search=searched))
    return Search(recipe, data, base, folder, trials, settings.threads)


def folder_of_curve(recipe: Recipe, data: DataReport, base: Path, workspace: Path) -> Path:
    """Return one folder for equal data, base, training section and sizes."""
    return curve_folder(workspace, recipe.name, _key(recipe, data, base, sizes=learning_curve.SIZES))


def train_point(
    recipe: Recipe, data: DataReport, base: Path, *, folder: Path, rows: int, threads: int | None
) -> CurvePoint:
    """Train on `rows` of the training rows, for the same number of steps whatever their number."""
    config = learning_curve.config_for(recipe.training, rows, data.rows_train)
    report = fine_tune(
        train_file=write_sample(Path(data.folder) / "train.parquet", rows, folder / f"rows-{rows}.parquet"),
        out=folder / f"rows-{rows}",
        config=config,
        data_version=data.version,
        threads=threads,
        merge=False,
        **_judged_by(recipe, data, base),
    )
    return CurvePoint(rows=rows, loss=kept_loss(report, config), seconds=report.cost.seconds)


def conclude_curve(recipe: Recipe, data: DataReport, *, folder: Path, points: list[CurvePoint]) -> LearningCurve:
    """Draw a line through the points: would more rows help?"""
    curve = LearningCurve(
        recipe=recipe.name,
        data_version=data.version,
        steps=learning_curve.steps_of(recipe.training, data.rows_train),
        validation_rows=data.rows_validation,
        points=points,
        **learning_curve.fit(points),
    )
    save(curve, folder / "curve.json")
    _log.info("%s", curve_verdict(curve))
    return curve


def _key(recipe: Recipe, data: DataReport, base: Path, **more: Any) -> str:
    parts = {
        "base": folder_hash(base),
        "data": data.version,
        "training": recipe.training.model_dump(),
        "system_prompt": recipe.model.system_prompt,
        "max_tokens": recipe.model.max_tokens,
    }
    return content_hash({**parts, **more})[:16]


def _judged_by(recipe: Recipe, data: DataReport, base: Path) -> dict[str, Any]:
    """Return the validation rows, never the test rows: what rows have chosen cannot be measured on them any more."""
    return {
        "base": base,
        "validation_file": Path(data.folder) / "validation.parquet",
        "system_prompt": recipe.model.system_prompt,
        "max_tokens": recipe.model.max_tokens,
    }


def _log_validation(point: LossPoint) -> None:
    if point.eval_loss is not None:
        _log.info("step %d: validation %.4f", point.step, point.eval_loss)
