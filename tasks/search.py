"""Trials of a search and points of a learning curve."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from tasks import wiring
from tasks.display import show_curve, show_search
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport
from tuneloop.results.search import CurvePoint, LearningCurve, SearchReport, Trial, TrialResult
from tuneloop.workflows import search as workflow
from tuneloop.workflows.search import Search


@task(name="trial", task_run_name="trial {trial.name}")
def run_trial(search: Search, trial: Trial) -> TrialResult:
    """Train with the trial's values, or go on where that was cut off."""
    result, report = search.run(trial)
    show_search(report)
    return result


@task(name="compare trials", task_run_name="compare the best trial with {search.recipe.name}")
def conclude(search: Search) -> SearchReport:
    """Compare the best trial with what the recipe has."""
    report = search.conclude()
    show_search(report)
    return report


@task(name="point of the learning curve", task_run_name="train on {rows} rows")
def train_on(recipe: Recipe, data: DataReport, base: str, folder: Path, rows: int) -> CurvePoint:
    """Train the same number of steps on `rows` of the training rows."""
    threads = wiring.settings().threads
    return workflow.train_point(recipe, data, Path(base), folder=folder, rows=rows, threads=threads)


@task(name="learning curve", task_run_name="learning curve of {recipe.name}")
def conclude_curve(recipe: Recipe, data: DataReport, folder: Path, points: list[CurvePoint]) -> LearningCurve:
    """Draw a line through the points: would more rows help?"""
    curve = workflow.conclude_curve(recipe, data, folder=folder, points=points)
    show_curve(curve)
    return curve
