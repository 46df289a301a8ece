"""Hand-written stand-ins for the servers."""

from dataclasses import dataclass, field


@dataclass
class FakePools:
    """A Prefect server that knows work pools and who has reported."""

    reporting: set[str] = field(default_factory=set)
    error: Exception | None = None
    pools: dict[str, int] = field(default_factory=dict)

    def ensure_work_pool(self, name, *, concurrency_limit):
        self.pools.setdefault(name, concurrency_limit)

    def has_worker_reported(self, pool, worker, *, since):
        if self.error is not None:
            raise self.error
        return worker in self.reporting

    def end_dead_runs(self, pool, *, alive):
        return []
