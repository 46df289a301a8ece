"""Which routes of Prefect and MLflow are open, which ask for the login, and which are off."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.stack.access_control import WEBSOCKET, Route, route

# Off are its API documentation, whose pages load scripts from a public CDN, and the second version of the UI, which
# contacts an analytics host.


_OFF = "api|docs|redoc|openapi[.]json|v2"

PREFECT_ROUTES: Sequence[Route] = (
    route("GET", "/api/health", "/api/ready", public=True),
    route(WEBSOCKET, "/api/.+", public=True),  # asked for in the first message, see websocket_login
    route("GET POST PUT PATCH DELETE", "/api/.+", max_body_bytes=None),
    route("GET", f"/(?!(?:{_OFF})(?:/|$)).*", public=True),  # the page is the same file for all of its addresses
)


# Off is all the rest, above all the Assistant (it runs commands as the server's user), the AI gateway, jobs, scorers,
# webhooks, MCP servers and the presigned and multipart uploads of cloud storage. docs/ports.md lists them.


_API = "/(?:ajax-)?api/2[.]0/mlflow"
"""`api` for programs, `ajax-api` for the pages; both lead to the same handlers."""


def _api(methods: str, folder: str, *names: str) -> Route:
    return route(methods, f"{_API}/{folder}/(?:{'|'.join(names)})")


PAGES = (
    route("GET", "/health", public=True),
    route("GET", "/", "/version", "/static-files/.+", "/get-artifact", "/model-versions/get-artifact"),
    route("GET", "/(?:ajax-)?api/3[.]0/mlflow/server-info"),
    route("POST", "/graphql"),
    # An experiment's page opens with its traces; there are none, and these only look.
    route("POST", "/ajax-api/3[.]0/mlflow/traces/(?:search|metrics|batchGetInfos)"),
)

TRACKING = (
    _api("GET", "experiments", "get", "get-by-name", "search"),
    _api(
        "POST",
        "experiments",
        *("create", "delete", "restore", "search", "search-datasets", "update"),
        *("set-experiment-tag", "delete-experiment-tag"),
    ),
    _api("GET", "runs", "get"),
    _api(
        "POST",
        "runs",
        *("create", "delete", "restore", "search", "update", "set-tag", "delete-tag"),
        *("log-batch", "log-inputs", "log-metric", "log-parameter"),
    ),
    _api("GET", "metrics", "get-history", "get-history-bulk", "get-history-bulk-interval"),
    _api("GET", "artifacts", "list"),
    _api("POST", "logged-models", "search"),
    _api("GET", "logged-models", r"[\w-]+"),
)

REGISTRY = (
    _api("GET", "registered-models", "alias", "get", "get-latest-versions", "search"),
    _api("POST", "registered-models", "alias", "create", "get-latest-versions", "rename", "set-tag"),
    _api("PATCH", "registered-models", "update"),
    _api("DELETE", "registered-models", "alias", "delete", "delete-tag"),
    _api("GET", "model-versions", "get", "get-download-uri", "search"),
    _api("POST", "model-versions", "create", "set-tag", "transition-stage"),
    _api("PATCH", "model-versions", "update"),
    _api("DELETE", "model-versions", "delete", "delete-tag"),
)

_ARTIFACTS = "/(?:ajax-)?api/2[.]0/mlflow-artifacts/artifacts"
ARTIFACTS = (
    route("GET", _ARTIFACTS, f"{_ARTIFACTS}/.+"),
    route("PUT", f"{_ARTIFACTS}/.+", max_body_bytes=None),  # weights of any size; they go to the disk as they come
)

MLFLOW_ROUTES: Sequence[Route] = (*PAGES, *TRACKING, *REGISTRY, *ARTIFACTS)
