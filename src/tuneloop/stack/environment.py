"""Environment variables: what the servers, the workers and the command line are told."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tuneloop.stack.layout import Layout
from tuneloop.stack.local_ports import HOST
from tuneloop.stack.state import StackState

MARKER = "TUNELOOP_SERVICE"
"""`<service>@<workspace>` in every process of the stack and, inherited, in all their children."""

MLFLOW_LOGIN = "TUNELOOP_MLFLOW_LOGIN"
"""`user:password`, for the MLflow server alone; its clients have MLflow's own variables."""

FOREIGN_PREFIXES = ("PREFECT_", "MLFLOW_", "_MLFLOW_", "ARGILLA_", "SUPERVISOR_")
"""Variables of the caller's shell that could point our processes at other servers."""

QUIET: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ARGILLA_ENABLE_TELEMETRY": "0",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_EVALUATE_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
"""Nobody outside is told anything, and logs appear as they are written."""


def stack_environment(layout: Layout, state: StackState) -> dict[str, str]:
    """What a client of the stack needs: the workers, their flow runs, and the command line itself."""
    return {
        **QUIET,
        "PREFECT_API_URL": state.prefect_api_url,
        "PREFECT_UI_URL": state.url("prefect"),
        "PREFECT_API_AUTH_STRING": state.prefect_auth,
        "PREFECT_HOME": str(layout.prefect),
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(layout.prefect / "results"),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "MLFLOW_TRACKING_URI": state.url("mlflow"),
        "MLFLOW_TRACKING_USERNAME": state.mlflow_username,
        "MLFLOW_TRACKING_PASSWORD": state.mlflow_password,
        "TUNELOOP_ROOT": str(layout.root),
        "TUNELOOP_WORKSPACE": str(layout.workspace),
        "TUNELOOP_MLFLOW_URL": state.url("mlflow"),
        "TUNELOOP_ARGILLA_URL": state.url("argilla"),
        "TUNELOOP_ARGILLA_API_KEY": state.argilla_api_key,
    }


def worker_environment(layout: Layout, state: StackState, *, python_path: str = "") -> dict[str, str]:
    """The client's variables, and the project's root first among the importable folders."""
    return {
        **stack_environment(layout, state),
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        # A killed MLflow is back within a minute; two minutes of retries are better than a run that failed.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "6",
        "RAY_TMPDIR": "/tmp",  # noqa: S108 - Ray's default; its sockets' names are too long for a folder in the workspace
        # What our own code logs belongs to the run it happened in, and is shown there.
        "PREFECT_LOGGING_EXTRA_LOGGERS": "tuneloop,expectations,tasks",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # our threads log too, and belong to no run
        "PYTHONPATH": os.pathsep.join(p for p in (str(layout.root), python_path) if p),
    }


def prefect_server_environment(layout: Layout, state: StackState) -> dict[str, str]:
    """Prefect's defaults are open (no login, no CSRF tokens, CORS `*`); here they are not."""
    return {
        **QUIET,
        "PREFECT_HOME": str(layout.prefect),
        "PREFECT_API_URL": state.prefect_api_url,
        "PREFECT_API_AUTH_STRING": state.prefect_auth,
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_API_PORT": str(state.ports["prefect"]),
        "PREFECT_SERVER_API_AUTH_STRING": state.prefect_auth,
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": state.url("prefect"),
        "PREFECT_SERVER_UI_API_URL": state.prefect_api_url,
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        # In memory, which is the default, a killed server forgets who holds a deployment's slot: it is never freed.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


def mlflow_environment(layout: Layout, state: StackState) -> dict[str, str]:
    """What `mlflow server` would make of its options: it hands them to its own child process, and we start none.

    No job runner: it would add three processes that only serve features we do not use.
    """
    port = state.ports["mlflow"]
    return {
        **QUIET,
        MLFLOW_LOGIN: state.mlflow_login,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": state.url("mlflow"),
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{layout.mlflow / 'mlflow.db'}",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(layout.mlflow / "artifacts"),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    }


def argilla_environment(state: StackState) -> dict[str, str]:
    """The owner account; the server makes it at its first start and never has the well-known default users."""
    return {
        **QUIET,
        "ARGILLA_OWNER_USERNAME": state.argilla_username,
        "ARGILLA_OWNER_PASSWORD": state.argilla_password,
        "ARGILLA_OWNER_API_KEY": state.argilla_api_key,
        # It has an interpreter and old packages of its own; ours, or the caller's, would come before them.
        "PYTHONPATH": "",
    }


def webhooks_environment(layout: Layout, *, python_path: str = "") -> dict[str, str]:
    """Where Prefect is comes from the workspace's state, at each message."""
    return {
        **QUIET,
        "TUNELOOP_ROOT": str(layout.root),
        "TUNELOOP_WORKSPACE": str(layout.workspace),
        "PYTHONPATH": python_path,
    }


def process_environment(base: Mapping[str, str], additions: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what belongs to other servers, plus ours."""
    kept = {k: v for k, v in base.items() if not k.startswith(FOREIGN_PREFIXES) and k != MARKER}
    return {**kept, **_local_traffic_past_proxies(base), **additions}


def _local_traffic_past_proxies(base: Mapping[str, str]) -> dict[str, str]:
    """A company's web proxy cannot reach this machine's loopback; every client must go there directly."""
    exceptions = [e for e in (base.get("NO_PROXY") or base.get("no_proxy") or "").split(",") if e]
    joined = ",".join(dict.fromkeys([*exceptions, HOST, "localhost"]))
    return {"NO_PROXY": joined, "no_proxy": joined}


def marker(service: str, layout: Layout) -> str:
    return f"{service}@{layout.workspace}"
