"""What users learn about one another: annotators nothing, admins names, and API keys only whoever owns all.

Upstream shows every annotator the names of all who answered, and every admin their colleagues' API keys, an owner's
among them.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from argilla_server.api.handlers.v1 import workspaces
from argilla_server.api.handlers.v1.datasets import datasets
from argilla_server.api.policies.v1 import DatasetPolicy, is_authorized
from argilla_server.api.schemas.v1.datasets import DatasetProgress, UsersProgress
from argilla_server.api.schemas.v1.users import User as UserSchema
from argilla_server.api.schemas.v1.users import Users
from argilla_server.models import Dataset, User
from fastapi import APIRouter
from fastapi.routing import APIRoute

from argilla_embedded.routes import put_first

Handler = Callable[..., Awaitable[Any]]


def hide() -> None:
    """Put our handlers before upstream's; call it once, before the first request."""
    router = APIRouter()
    _wrap(router, datasets.router, datasets.get_dataset_progress, _own_progress)
    _wrap(router, datasets.router, datasets.get_dataset_users_progress, _own_progress)
    _wrap(router, workspaces.router, workspaces.list_workspace_users, _without_keys)
    _wrap(router, workspaces.router, workspaces.delete_workspace_user, _without_keys)
    put_first(router)


def _wrap(ours: APIRouter, upstreams: APIRouter, handler: Handler, shown: Callable[..., Awaitable[Any]]) -> None:
    """Serve upstream's answer as `shown` leaves it."""
    (route,) = (one for one in upstreams.routes if isinstance(one, APIRoute) and one.endpoint is handler)

    @wraps(handler)
    async def answer(**given: Any) -> Any:
        return await shown(await handler(**given), **given)

    ours.add_api_route(
        route.path,
        answer,
        methods=list(route.methods),
        response_model=route.response_model,
        response_model_exclude_unset=route.response_model_exclude_unset,
    )


async def _own_progress(
    progress: DatasetProgress | UsersProgress, *, current_user: User, **given: Any
) -> DatasetProgress | UsersProgress:
    dataset = await Dataset.get_or_raise(given["db"], given["dataset_id"])
    if await is_authorized(current_user, DatasetPolicy.list_records_with_all_responses(dataset)):
        return progress
    mine = [user for user in progress.users if user.username == current_user.username]
    return progress.model_copy(update={"users": mine})


async def _without_keys(answer: Users | User, *, current_user: User, **_: Any) -> Users | UserSchema:
    if isinstance(answer, Users):
        return Users(items=[_shown(user, current_user) for user in answer.items])
    return _shown(UserSchema.model_validate(answer), current_user)


def _shown(user: UserSchema, reader: User) -> UserSchema:
    return user if reader.is_owner or user.id == reader.id else user.model_copy(update={"api_key": ""})
