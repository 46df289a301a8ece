"""The Prefect server's REST API, by httpx: light enough for the command line, which must not import Prefect."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from tuneloop.adapters.prefect_transport import PAGE, PrefectTransport
from tuneloop.errors import ServiceError

TERMINAL_STATES = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})
TAG = "tuneloop"
"""On every deployment of ours, and so on its runs."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """`state` is the name people see (`AwaitingRetry`), `state_type` the kind (`SCHEDULED`); times are ISO 8601."""

    id: str
    name: str
    state: str
    state_type: str
    message: str
    deployment_id: str | None
    parameters: Mapping[str, Any]
    tags: tuple[str, ...]
    created: str
    started: str | None
    seconds: float
    state_since: str = ""
    attempts: int = 0

    @property
    def is_terminal(self) -> bool:
        return self.state_type in TERMINAL_STATES

    @property
    def is_completed(self) -> bool:
        return self.state_type == "COMPLETED"

    @property
    def waits_for_a_person(self) -> bool:
        """Suspended until somebody resumes it; it holds no process and may wait for days."""
        return self.state_type == "PAUSED"


@dataclass(frozen=True, slots=True)
class TaskRun:
    id: str
    flow_run_id: str | None
    name: str
    state: str
    state_type: str
    seconds: float

    @property
    def is_terminal(self) -> bool:
        return self.state_type in TERMINAL_STATES


@dataclass(frozen=True, slots=True)
class LogLine:
    id: str
    timestamp: str
    level: int
    message: str


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    name: str
    occurred: str
    payload: Mapping[str, Any]
    resource: Mapping[str, str]
    related: Sequence[Mapping[str, str]]


class PrefectApi:
    """`url` ends with /api; `auth` is the server's auth string (`user:password`), None for a server without login."""

    def __init__(
        self,
        url: str,
        auth: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        pause_seconds: float = 0.5,
    ) -> None:
        self._server = PrefectTransport(
            url, auth, timeout_seconds=timeout_seconds, transport=transport, pause_seconds=pause_seconds
        )

    # Work pools ----------------------------------------------------------------------------------------------------

    def ensure_work_pool(self, name: str, *, concurrency_limit: int) -> None:
        """Create the process work pool if there is none of that name; an existing one keeps its settings."""
        if self._server.get(f"/work_pools/{name}") is None:
            wanted = {"name": name, "type": "process", "concurrency_limit": concurrency_limit}
            self._server.post("/work_pools/", wanted, accept=(409,))

    def has_worker_reported(self, pool: str, worker: str, *, since: float) -> bool:
        """Whether the worker has sent a sign of life after `since` (Unix time)."""
        found = self._server.post(f"/work_pools/{pool}/workers/filter", {}, accept=(404,))
        beats = [w["last_heartbeat_time"] for w in found if w["name"] == worker] if isinstance(found, list) else []
        return any(beat is not None and datetime.fromisoformat(beat).timestamp() >= since for beat in beats)

    # Slots of work pools --------------------------------------------------------------------------------------------

    def unfinished_runs(self, pool: str) -> list[FlowRun]:
        """The pool's runs that hold a slot: pending, running or being cancelled; suspended ones hold none."""
        return self._runs_of(pool, {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}})

    def end_run(self, flow_run_id: str) -> None:
        """Mark it, and the runs it called, as crashed (cancelled if it was being cancelled), unless it has ended."""
        for member in self.family(flow_run_id):
            self._end_as_crashed(member)

    def crashed_runs(self, pool: str) -> list[FlowRun]:
        """Those of our deployments' runs that have crashed and were not scheduled again."""
        return self._runs_of(pool, {"state": {"type": {"any_": ["CRASHED"]}}, "tags": {"all_": [TAG]}})

    def reschedule(self, flow_run_id: str) -> None:
        """Have the pool's worker start it once more."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Goes on after a crash."}
        self._server.post(f"/flow_runs/{flow_run_id}/set_state", {"state": state})

    def _runs_of(self, pool: str, only: Mapping[str, Any]) -> list[FlowRun]:
        body = {"flow_runs": only, "limit": PAGE, "work_pools": {"name": {"any_": [pool]}}}
        return [_flow_run(run) for run in self._server.pages("/flow_runs/filter", body)]

    def _end_as_crashed(self, flow_run_id: str) -> None:
        run = self.flow_run(flow_run_id)
        if run.is_terminal:
            return
        kind = "CANCELLED" if run.state_type == "CANCELLING" else "CRASHED"
        state = {"type": kind, "message": "The process of this run is gone."}
        self._server.post(f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    # Deployments and flow runs -------------------------------------------------------------------------------------

    def deployment_id(self, name: str) -> str | None:
        """The id of `flow/deployment`, None when it is not deployed."""
        found = self._server.get(f"/deployments/name/{name}")
        return None if found is None else str(found["id"])

    def create_flow_run(
        self,
        deployment: str,
        parameters: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        tags: Sequence[str] = (),
    ) -> FlowRun:
        """Ask for a run of `flow/deployment`; the same idempotency key returns the run it made before.

        Raises:
            ServiceError: not deployed, or the parameters do not fit the flow.
        """
        found = self.deployment_id(deployment)
        if found is None:
            raise ServiceError(f"{deployment} is not deployed: run `tuneloop deploy`")
        body = {
            "parameters": dict(parameters),
            "tags": list(tags),
            "state": {"type": "SCHEDULED"},
            "idempotency_key": idempotency_key or str(uuid.uuid4()),
        }
        return _flow_run(self._server.post(f"/deployments/{found}/create_flow_run", body))

    def flow_run(self, flow_run_id: str) -> FlowRun:
        """One run; raises ServiceError when there is none."""
        found = self._server.get(f"/flow_runs/{flow_run_id}")
        if found is None:
            raise ServiceError(f"there is no flow run {flow_run_id}")
        return _flow_run(found)

    def resume_flow_run(self, flow_run_id: str, answer: Mapping[str, Any]) -> None:
        """Let a suspended run go on with the answer to its question.

        Raises:
            ServiceError: it does not wait (any more), or takes no such answer.
        """
        result = self._server.post(f"/flow_runs/{flow_run_id}/resume", {"run_input": dict(answer)})
        if result["status"] != "ACCEPT":
            reason = (result.get("details") or {}).get("reason") or result["status"]
            raise ServiceError(f"flow run {flow_run_id} does not go on: {reason}")

    def flow_runs(
        self, *, deployment: str | None = None, tags: Sequence[str] = (), parents: Sequence[str] = (), limit: int = PAGE
    ) -> list[FlowRun]:
        """Newest first: of a deployment (`flow/deployment`), with all the tags, or called by one of `parents`."""
        body: dict[str, Any] = {"sort": "EXPECTED_START_TIME_DESC", "limit": limit, "flow_runs": {}}
        if deployment is not None:
            found = self.deployment_id(deployment)
            if found is None:
                return []
            body["flow_runs"]["deployment_id"] = {"any_": [found]}
        if tags:
            body["flow_runs"]["tags"] = {"all_": list(tags)}
        if parents:
            body["flow_runs"]["parent_flow_run_id"] = {"any_": list(parents)}
        return [_flow_run(run) for run in self._server.post("/flow_runs/filter", body)]

    def family(self, flow_run_id: str) -> list[str]:
        """Ids of the run and of all flow runs it called, directly or not."""
        known, newest = [flow_run_id], [flow_run_id]
        while newest:
            newest = [run.id for run in self.flow_runs(parents=newest) if run.id not in known]
            known += newest
        return known

    def task_runs(self, flow_run_ids: Sequence[str]) -> list[TaskRun]:
        """In the order they started."""
        body = {"flow_runs": {"id": {"any_": list(flow_run_ids)}}, "sort": "EXPECTED_START_TIME_ASC", "limit": PAGE}
        return [_task_run(run) for run in self._server.pages("/task_runs/filter", body)]

    def logs(self, flow_run_ids: Sequence[str], *, after: str | None = None) -> list[LogLine]:
        """Log lines in order of time; `after` (ISO 8601) leaves out older ones."""
        only: dict[str, Any] = {"flow_run_id": {"any_": list(flow_run_ids)}}
        if after is not None:
            only["timestamp"] = {"after_": after}
        found = self._server.pages("/logs/filter", {"logs": only, "sort": "TIMESTAMP_ASC", "limit": PAGE})
        return [LogLine(line["id"], line["timestamp"], line["level"], line["message"]) for line in found]

    def wait(self, flow_run_id: str, *, timeout_seconds: float, poll_seconds: float = 1.0) -> FlowRun:
        """The run once it has ended; raises ServiceError when it has not in time."""
        deadline = time.monotonic() + timeout_seconds
        while not (run := self.flow_run(flow_run_id)).is_terminal:
            if time.monotonic() > deadline:
                raise ServiceError(f"flow run {run.name} is still {run.state} after {timeout_seconds:.0f} s")
            time.sleep(poll_seconds)
        return run

    # Events and automations ----------------------------------------------------------------------------------------

    def events(
        self,
        *,
        names: Sequence[str] = (),
        since: datetime | None = None,
        resource_ids: Sequence[str] = (),
        limit: int = 50,
    ) -> list[Event]:
        """Newest first; `names` are whole event names, `since` defaults to a day ago."""
        start = (since or datetime.fromtimestamp(time.time() - 86400, UTC)).isoformat()
        only: dict[str, Any] = {"occurred": {"since": start}, "order": "DESC"}
        if names:
            only["event"] = {"name": list(names)}
        if resource_ids:
            only["any_resource"] = {"id": list(resource_ids)}
        return [_event(e) for e in self._server.post("/events/filter", {"filter": only, "limit": limit})["events"]]

    def emit_event(self, name: str, *, resource: Mapping[str, str], payload: Mapping[str, Any]) -> None:
        """Tell the server, and the automations that wait for it, that something has happened just now."""
        event = {
            "id": str(uuid.uuid4()),
            "occurred": datetime.now(UTC).isoformat(),
            "event": name,
            "resource": dict(resource),
            "payload": dict(payload),
        }
        self._server.post("/events", [event], accept=(204,))


def _flow_run(run: Mapping[str, Any]) -> FlowRun:
    state = run.get("state") or {}
    return FlowRun(
        id=run["id"],
        name=run["name"],
        state=run.get("state_name") or "Scheduled",
        state_type=run.get("state_type") or "SCHEDULED",
        message=state.get("message") or "",
        deployment_id=run.get("deployment_id"),
        parameters=run.get("parameters") or {},
        tags=tuple(run.get("tags") or ()),
        created=run.get("created") or "",
        started=run.get("start_time"),
        seconds=float(run.get("total_run_time") or 0.0),
        state_since=state.get("timestamp") or "",
        attempts=int(run.get("run_count") or 0),
    )


def _task_run(run: Mapping[str, Any]) -> TaskRun:
    return TaskRun(
        id=run["id"],
        flow_run_id=run.get("flow_run_id"),
        name=run["name"],
        state=run.get("state_name") or "Pending",
        state_type=run.get("state_type") or "PENDING",
        seconds=float(run.get("total_run_time") or 0.0),
    )


def _event(event: Mapping[str, Any]) -> Event:
    return Event(
        id=event["id"],
        name=event["event"],
        occurred=event["occurred"],
        payload=event.get("payload") or {},
        resource=event["resource"],
        related=event.get("related") or [],
    )
