"""Telling Prefect that people have answered; an automation starts collecting."""

from __future__ import annotations

from tuneloop.cli.wiring import prefect_api
from tuneloop.errors import ServiceError
from tuneloop.registry.known_rounds import known_recipes
from tuneloop.settings import Settings

ANSWERED_EVENT = "tuneloop.review.answered"


def announce_answers(settings: Settings, recipe: str, answers: int) -> None:
    """Emit the event: the recipe and how many answers, nothing of what they say.

    Raises:
        ServiceError: the Prefect server does not take it, or no turn of this recipe has been made here.
    """
    path = known_recipes(settings.workspace_path).get(recipe)
    if path is None:
        raise ServiceError(f"where the recipe {recipe} lies is not known: `tuneloop run` it once")
    prefect_api(settings).emit_event(
        ANSWERED_EVENT,
        resource={"prefect.resource.id": f"tuneloop.recipe.{recipe}", "prefect.resource.name": recipe},
        payload={"recipe": path, "answers": answers},
    )
