"""Tell Prefect that reviewers have answered; an automation starts collecting."""

from __future__ import annotations

from pathlib import Path

from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.errors import ServiceError
from tuneloop.registry.known_rounds import known_recipes

ANSWERED_EVENT = "tuneloop.review.answered"


def announce_answers(api: PrefectApi, workspace: Path, recipe: str, answers: int) -> None:
    """Emit the event: the recipe and how many answers, nothing of what they say.

    Raises:
        ServiceError: the Prefect server does not take it, or no cycle of this recipe has been run here.
    """
    path = known_recipes(workspace).get(recipe)
    if path is None:
        raise ServiceError(f"where the recipe {recipe} lies is not known: `tuneloop run` it once")
    api.emit_event(
        ANSWERED_EVENT,
        resource={"prefect.resource.id": f"tuneloop.recipe.{recipe}", "prefect.resource.name": recipe},
        payload={"recipe": path, "answers": answers},
    )
