"""A stack in a folder of its own that trains tiny models, one after the other, while its parts are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import yaml

from tests.tiny_models import make_tiny_model
from tuneloop.adapters.prefect_api import FlowRun, PrefectApi
from tuneloop.cli.wiring import local_stack
from tuneloop.errors import ServiceError
from tuneloop.recipes import load_recipe
from tuneloop.settings import Settings
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import FLOW_RUN, marked_processes
from tuneloop.stack.services import SERVICE_NAMES
from tuneloop.stack.state import load_state
from tuneloop.stack.supervisor import Supervisor

ROOT = Path(__file__).parents[1]
RUN = "run"
VICTIMS = (*SERVICE_NAMES, RUN)
CYCLE = "retraining-cycle/retraining-cycle"
WORKER = "worker-training"
MOST_ATTEMPTS = 3
"""A run that has crashed four times is given up, so a fresh one is killed next."""
START_SECONDS, END_SECONDS = 240.0, 900.0


class StackSoak:
    """Use it as a context; whatever happens, nothing of it runs afterwards."""

    def __init__(self, place: Path, *, seed: int, epochs: int = 60) -> None:
        self.layout = Layout(ROOT, place / "workspace")
        self.run_id = self.last_ill = ""
        self._recipes = place
        self._model = make_tiny_model(place / "tiny")
        self._seed, self._epochs = seed, epochs
        self._started: list[str] = []
        settings = Settings(root=ROOT, workspace=self.layout.workspace)
        self._stack = local_stack(settings, notify=lambda _: None)

    def __enter__(self) -> Self:
        self._tuneloop("up")
        self._tuneloop("deploy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tuneloop("down")

    # What is killed ------------------------------------------------------------------------------------------------

    def kill(self, victim: str, *, with_children: bool) -> None:
        name = WORKER if victim == RUN else victim
        main = psutil.Process(Supervisor(self.layout).states()[name].pid)
        processes = [main, *main.children(recursive=True)] if with_children or victim == RUN else [main]
        if victim == RUN:
            processes += self._processes_of(self.run_id)
        for process in {p.pid: p for p in processes}.values():
            with suppress(ProcessLookupError):  # it went with another
                os.kill(process.pid, signal.SIGKILL)

    # What is asked -------------------------------------------------------------------------------------------------

    def is_healthy(self) -> bool:
        """Whether all services are; `last_ill` says which were not, the last time that one was not."""
        ill = [f"{s.name} {s.health}" for s in self._stack.status() if s.health != "healthy"]
        self.last_ill = ", ".join(ill) or self.last_ill
        return not ill

    def is_at_work(self, run_id: str) -> bool:
        """Whether the run goes on (or has completed) and a process carries it out."""
        try:
            run = self._run(run_id)
        except ServiceError:
            return False
        return run.is_completed or (run.state_type == "RUNNING" and bool(self._processes_of(run_id)))

    def attempts(self, run_id: str) -> int:
        """How often it was started; 0 where the server does not answer."""
        try:
            return self._run(run_id).attempts
        except ServiceError:
            return 0

    # What runs -----------------------------------------------------------------------------------------------------

    def have_a_run_at_work(self) -> None:
        """The present run, or a new one where that has ended or has been killed too often; waits until it works."""
        if self.run_id and not (run := self._run(self.run_id)).is_terminal:
            if run.attempts < MOST_ATTEMPTS:
                self._wait_for_work()
                return
            self._api.wait(self.run_id, timeout_seconds=END_SECONDS)
        recipe = self._new_recipe()
        self.run_id = self._api.create_flow_run(CYCLE, {"recipe": str(recipe)}).id
        self._started.append(self.run_id)
        self._wait_for_work()

    def rest(self) -> list[str]:
        """Wait for the last run; returns what is wrong with any."""
        ends = [self._api.wait(run, timeout_seconds=END_SECONDS) for run in self._started]
        return [f"run {run.name} ended as {run.state}: {run.message}" for run in ends if not run.is_completed]

    def _wait_for_work(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_at_work(self.run_id):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the run is not at work after {START_SECONDS:.0f} s: {self._run(self.run_id)}")
            time.sleep(0.5)

    def _new_recipe(self) -> Path:
        """The support desk's, on the tiny model, with a seed of its own: a training that was not done before."""
        number = len(self._started)
        recipe = load_recipe(ROOT / "deployments/recipes/support-desk.yaml").model_dump(mode="json")
        recipe["name"] = f"soak-{number}"
        recipe["model"] |= {"base": str(self._model), "max_tokens": 2000, "licence": "apache-2.0"}
        recipe["data"] |= {"max_train_rows": 40, "max_validation_rows": 8}
        recipe["training"] |= {"epochs": self._epochs, "lora_rank": 4, "seed": self._seed + number}
        recipe["evaluation"] |= {"max_rows": 8, "max_new_tokens": 8, "speed": False}
        recipe["evaluation"] |= {suite: {"max_items": 4} for suite in ("forgetting", "red_team", "bias_pairs")}
        recipe["evaluation"]["rules"] = [{"metric": "valid_json", "kind": "non_inferior", "margin": 1.0}]
        recipe["review"] |= {"max_records": 6}
        file = self._recipes / f"{recipe['name']}.yaml"
        file.write_text(yaml.safe_dump(recipe))
        return file

    # Means ---------------------------------------------------------------------------------------------------------

    @property
    def _api(self) -> PrefectApi:
        state = load_state(self.layout.state_file)
        assert state is not None
        return PrefectApi(state.prefect_api_url, state.prefect_auth, timeout_seconds=5.0)

    def _run(self, run_id: str) -> FlowRun:
        return self._api.flow_run(run_id)

    def _processes_of(self, run_id: str) -> list[psutil.Process]:
        found = []
        for process in marked_processes(self.layout, {WORKER}):
            try:
                if process.environ().get(FLOW_RUN) == run_id:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _tuneloop(self, *arguments: str) -> None:
        variables = {"TUNELOOP_ROOT": str(ROOT), "TUNELOOP_WORKSPACE": str(self.layout.workspace)}
        done = subprocess.run(
            [sys.executable, "-m", "tuneloop.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"tuneloop {' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
