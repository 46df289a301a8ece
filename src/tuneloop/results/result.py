"""What all results have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Cost(Result):
    """Wall-clock seconds and the process's peak resident memory in MiB while the step ran."""

    seconds: float
    peak_rss_mib: float
