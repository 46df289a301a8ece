"""Settings of this machine: where the workspace and the servers are. Read from the environment on demand."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`TUNELOOP_*` variables; `tuneloop up` sets them for the flow runs it hosts."""

    model_config = SettingsConfigDict(env_prefix="TUNELOOP_", extra="ignore")

    root: Path = Field(default_factory=Path.cwd, description="the project's root: relative paths of recipes start here")
    workspace: Path = Field(default=Path(".tuneloop"), description="everything the loop writes on this machine")
    mlflow_url: str | None = None
    argilla_url: str | None = None
    argilla_api_key: SecretStr | None = None
    argilla_public_url: str | None = Field(default=None, description="the address people open, where it differs")
    argilla_bin: Path | None = Field(
        default=None, description="the Argilla server's command; default <root>/.venv-argilla/bin/argilla-embedded"
    )
    executor: Literal["local", "processes", "ray"] = Field(
        default="local", description="where chunks of rows are checked: in the flow run, in processes, on Ray"
    )
    workers: int | None = Field(default=None, description="processes or Ray CPUs for the data checks; None: all cores")
    ray_address: str | None = Field(default=None, description="a running Ray cluster; None: one is started here")
    threads: int | None = Field(default=None, description="CPU threads for training; None: let torch decide")
    launcher: str | None = Field(
        default=None,
        description="starts training in processes of its own, such as `torchrun --nproc-per-node 8`; None: in the flow",
    )

    @property
    def workspace_path(self) -> Path:
        return (self.root / self.workspace).resolve()
