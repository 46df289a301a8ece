"""Our own answers at addresses of upstream's."""

from argilla_server.api.routes import api_v1
from fastapi import APIRouter


def put_first(router: APIRouter) -> None:
    """Let `router` answer before upstream's routes of the same path and method; call it before the first request.

    Upstream's stay where they are: newer FastAPIs keep the routers that were included, and no flat list of routes.
    """
    upstreams = list(api_v1.router.routes)
    api_v1.include_router(router)
    ours = api_v1.router.routes[len(upstreams) :]
    api_v1.router.routes[:] = [*ours, *upstreams]
