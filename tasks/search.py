"""Trials of a search and points of a learning curve."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from tasks import wiring
from tuneloop.recipes import Recipe
from tuneloop.records import content_hash
from tuneloop.reports.figures import data_uri
from tuneloop.reports.search import curve_markdown, curve_verdict, draw_curve, draw_search, search_markdown, verdict
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
from tuneloop.training.base_models import folder_hash
from tuneloop.training.fine_tuning import fine_tune
from tuneloop.training.search import learning_curve
from tuneloop.training.search.learning_curve import count_rows, write_sample
from tuneloop.training.search.row_losses import RowLosses, compare, row_losses
from tuneloop.training.search.searching import Searcher, kept_loss
from tuneloop.training.search.space import changed, with_values


def folder_of_search(recipe: Recipe, data: DataReport, base: str) -> Path:
    """One folder for equal data, base, training and search section; the number of trials may grow."""
    searched = recipe.search.model_dump(exclude={"trials"})
    return search_folder(wiring.workspace(), recipe.name, _key(recipe, data, base, search=searched))


def folder_of_curve(recipe: Recipe, data: DataReport, base: str) -> Path:
    return curve_folder(wiring.workspace(), recipe.name, _key(recipe, data, base, sizes=learning_curve.SIZES))


@contextmanager
def one_run_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process works in `folder`; a killed one gives it up."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def next_trial(recipe: Recipe, folder: Path, trials: int | None) -> Trial | None:
    return _searcher(recipe, folder, trials).next_trial()


@task(name="trial", task_run_name="trial {trial.name}")
def run_trial(
    recipe: Recipe, data: DataReport, base: str, folder: Path, trial: Trial, trials: int | None
) -> TrialResult:
    """Train with the trial's values, or go on where that was cut off."""
    logger = get_run_logger()

    def on_progress(point: LossPoint) -> None:
        if point.eval_loss is not None:
            logger.info("step %d: validation %.4f", point.step, point.eval_loss)

    searcher = _searcher(recipe, folder, trials)
    result = searcher.run(
        trial,
        train_file=_train_file(recipe, data, folder),
        data_version=data.version,
        on_progress=on_progress,
        threads=wiring.settings().threads,
        **_judged_by(recipe, data, base),
    )
    logger.info("trial %d %s, validation loss %s", result.number, result.state, result.loss)
    _show_search(recipe.name, folder, _report(recipe, data, folder, searcher))
    return result


@task(name="compare trials", task_run_name="compare the best trial with {recipe.name}")
def conclude(recipe: Recipe, data: DataReport, base: str, folder: Path, trials: int | None) -> SearchReport:
    """Is the best trial better than what the recipe has? Row by row, over the validation rows."""
    searcher = _searcher(recipe, folder, trials)
    report = _report(recipe, data, folder, searcher, _comparison(recipe, data, base, searcher))
    _show_search(recipe.name, folder, report)
    get_run_logger().info("%s", verdict(report))
    return report


@task(name="point of the learning curve", task_run_name="train on {rows} rows")
def train_on(recipe: Recipe, data: DataReport, base: str, folder: Path, rows: int) -> CurvePoint:
    """The same number of steps on `rows` of the training rows."""
    config = learning_curve.config_for(recipe.training, rows, data.rows_train)
    report = fine_tune(
        train_file=write_sample(Path(data.folder) / "train.parquet", rows, folder / f"rows-{rows}.parquet"),
        out=folder / f"rows-{rows}",
        config=config,
        data_version=data.version,
        threads=wiring.settings().threads,
        merge=False,
        **_judged_by(recipe, data, base),
    )
    return CurvePoint(rows=rows, loss=kept_loss(report, config), seconds=report.cost.seconds)


@task(name="learning curve", task_run_name="learning curve of {recipe.name}")
def conclude_curve(recipe: Recipe, data: DataReport, folder: Path, points: list[CurvePoint]) -> LearningCurve:
    """Would more rows help? A line through the points."""
    curve = LearningCurve(
        recipe=recipe.name,
        data_version=data.version,
        steps=learning_curve.steps_of(recipe.training, data.rows_train),
        validation_rows=data.rows_validation,
        points=points,
        **learning_curve.fit(points),
    )
    save(curve, folder / "curve.json")
    picture = data_uri(draw_curve(curve))
    create_markdown_artifact(key=f"learning-curve-{recipe.name}", markdown=curve_markdown(curve, picture))
    get_run_logger().info("%s", curve_verdict(curve))
    return curve


def _key(recipe: Recipe, data: DataReport, base: str, **more: Any) -> str:
    parts = {
        "base": folder_hash(Path(base)),
        "data": data.version,
        "training": recipe.training.model_dump(),
        "system_prompt": recipe.model.system_prompt,
        "max_tokens": recipe.model.max_tokens,
    }
    return content_hash({**parts, **more})[:16]


def _searcher(recipe: Recipe, folder: Path, trials: int | None) -> Searcher:
    return Searcher(folder, recipe.search, recipe.training, trials=trials)


def _train_file(recipe: Recipe, data: DataReport, folder: Path) -> Path:
    whole, most = Path(data.folder) / "train.parquet", recipe.search.max_train_rows
    return whole if most is None else write_sample(whole, most, folder / f"rows-{most}.parquet")


def _judged_by(recipe: Recipe, data: DataReport, base: str) -> dict[str, Any]:
    """The validation rows, never the test rows: what is chosen by a set of rows cannot be measured on it any more."""
    return {
        "base": Path(base),
        "validation_file": Path(data.folder) / "validation.parquet",
        "system_prompt": recipe.model.system_prompt,
        "max_tokens": recipe.model.max_tokens,
    }


def _comparison(recipe: Recipe, data: DataReport, base: str, searcher: Searcher) -> Comparison | None:
    results, best = searcher.results(), searcher.best()
    own_is_trained = bool(results) and results[0].state == "finished"
    if best in {None, 0} or not own_is_trained or recipe.training.objective != "sft":
        return None

    def losses(number: int) -> RowLosses:
        config = with_values(recipe.training, results[number].values)
        return row_losses(adapter=searcher.adapter(number), config=config, **_judged_by(recipe, data, base))

    candidates = sum(result.state in {"finished", "pruned"} for result in results) - 1
    return compare(losses(best or 0), losses(0), candidates=candidates)


def _report(
    recipe: Recipe, data: DataReport, folder: Path, searcher: Searcher, comparison: Comparison | None = None
) -> SearchReport:
    results, best = searcher.results(), searcher.best()
    return SearchReport(
        recipe=recipe.name,
        data_version=data.version,
        rows=count_rows(_train_file(recipe, data, folder)),
        validation_rows=data.rows_validation,
        planned=searcher.trials,
        trials=results,
        comparison=comparison,
        lines=changed(recipe.training, results[best].values) if best is not None else {},
    )


def _show_search(recipe: str, folder: Path, report: SearchReport) -> None:
    save(report, folder / "search.json")
    picture = data_uri(draw_search(report))
    create_markdown_artifact(key=f"search-{recipe}", markdown=search_markdown(report, picture))
