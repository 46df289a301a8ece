"""Judgments on a candidate, by reviewers and by a judge."""

from __future__ import annotations

from prefect import task

from tasks import wiring
from tasks.display import show_judgments
from tuneloop.recipes import Recipe
from tuneloop.results import EvaluationReport, Opinion
from tuneloop.workflows import judge as workflow


@task(name="ask for opinions", task_run_name="opinions {recipe.name}", retries=2, retry_delay_seconds=30)
def judgments_on(
    recipe: Recipe, candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None
) -> list[Opinion]:
    """Gather what there is against the champion, or the base while there is none."""
    found = workflow.judgments_on(
        recipe, candidate, base, champion, workspace=wiring.workspace(), make_judge=wiring.judge
    )
    show_judgments(recipe.name, found)
    return found
