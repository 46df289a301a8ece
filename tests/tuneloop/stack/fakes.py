"""Hand-written stand-ins for the servers."""

from dataclasses import dataclass, field, replace

from tuneloop.errors import ServiceError


@dataclass(frozen=True)
class FakeRun:
    id: str
    name: str = "calm-owl"
    state_type: str = "RUNNING"
    state_since: str = "2026-01-01T00:00:00Z"


@dataclass
class FakePools:
    """A Prefect server that knows work pools, who has reported, and flow runs by pool."""

    reporting: set[str] = field(default_factory=set)
    error: Exception | None = None
    pools: dict[str, int] = field(default_factory=dict)
    runs: dict[str, list[FakeRun]] = field(default_factory=dict)

    def ensure_work_pool(self, name, *, concurrency_limit):
        self.pools.setdefault(name, concurrency_limit)

    def has_worker_reported(self, pool, worker, *, since):
        self._answer()
        return worker in self.reporting

    def unfinished_runs(self, pool):
        self._answer()
        return [run for run in self.runs.get(pool, []) if run.state_type in {"PENDING", "RUNNING", "CANCELLING"}]

    def crashed_runs(self, pool):
        self._answer()
        return [run for run in self.runs.get(pool, []) if run.state_type == "CRASHED"]

    def end_run(self, flow_run_id):
        self._put(flow_run_id, "CRASHED")

    def reschedule(self, flow_run_id):
        self._put(flow_run_id, "SCHEDULED")

    def states(self, pool):
        return {run.id: run.state_type for run in self.runs[pool]}

    def _put(self, flow_run_id, state_type):
        for pool, runs in self.runs.items():
            self.runs[pool] = [replace(r, state_type=state_type) if r.id == flow_run_id else r for r in runs]

    def _answer(self):
        if self.error is not None:
            raise self.error


def away():
    return ServiceError("the Prefect server is away")
