"""The whole loop on this machine, once from the start: `make demo`.

Every step is either a `tuneloop` command, shown as it is run, or a scripted stand-in for people (annotators,
customers), which says so. What has been done before is recognised and not repeated.
"""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console
from rich.rule import Rule

from examples.support_desk.annotators import annotate
from examples.support_desk.traffic import send_traffic
from tuneloop.adapters.prefect_api import FlowRun, PrefectApi
from tuneloop.cli.wiring import known_state, prefect_api
from tuneloop.errors import TuneloopError
from tuneloop.registry.rounds import load_rounds, rounds_folder
from tuneloop.results import Round
from tuneloop.settings import Settings

RECIPE = "deployments/recipes/support-desk.yaml"
NAME = "support-desk"
WATCH = "drift-watch/drift-watch"
CYCLE = "retraining-cycle/retraining-cycle"
DRIFT_EVENT = "tuneloop.drift.detected"
AUTOMATION_SECONDS = 60
CYCLE_SECONDS = 3600


def main() -> None:
    """Run the demo from wherever it was left."""
    Demo(Settings(), Console()).play()


@dataclass(frozen=True)
class Demo:
    settings: Settings
    console: Console

    def play(self) -> None:
        started = time.monotonic()
        known = len(self.rounds())
        self.step("The local stack: Prefect, MLflow, Argilla")
        self.tuneloop("up")
        self.tuneloop("deploy")
        self.step("Round 1: data -> training -> evaluation -> gate -> registry -> review set")
        self.turn(1)
        self.step("People: two annotators judge and correct the answers")
        self.people()
        self.step("Round 2: their corrections are training rows now")
        self.turn(2)
        self.step("Drift: customers write about something new")
        self.drift()
        if known >= len(self.rounds()):
            self.step("Everything was there already: a cycle on the same data repeats nothing")
            self.tuneloop("run", RECIPE)
        self.step("Result")
        self.show_result(time.monotonic() - started)

    def step(self, title: str) -> None:
        self.console.print()
        self.console.print(Rule(f"[bold]{title}", align="left"))

    def tuneloop(self, *arguments: str) -> None:
        self.console.print(f"[bold]$ tuneloop {' '.join(arguments)}[/]", highlight=False)
        subprocess.run([sys.executable, "-m", "tuneloop.cli", *arguments], check=True)

    def rounds(self) -> list[Round]:
        """Rounds that were brought to their end."""
        return [r for r in load_rounds(self.settings.workspace_path, NAME) if r.complete]

    def turn(self, number: int) -> None:
        if len(self.rounds()) >= number:
            self.console.print(f"done before: round {number} is complete")
            return
        self.tuneloop("run", RECIPE)

    def people(self) -> None:
        review = next((r for r in self.rounds()[0].reviews if r.kind == "answers"), None)
        if review is None:
            raise TuneloopError("round 1 put nothing before people: is the review switched off in the recipe?")
        state = known_state(self.settings)
        annotate(state.url("argilla"), state.argilla_api_key, review.review_set, say=self.say)
        self.say(f"Do it yourself: {review.url} (logins: `tuneloop secrets`)")

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False)

    def drift(self) -> None:
        api = prefect_api(self.settings)
        if not any(r.trigger == "drift" for r in self.rounds()):
            send_traffic(self.settings.workspace_path / "traffic" / f"{NAME}.jsonl", say=self.say)
            watch = api.create_flow_run(WATCH, {"recipe": RECIPE})
            self.say(f"asked for a run of the scheduled deployment {WATCH}: {watch.name}")
            api.wait(watch.id, timeout_seconds=300)
            self.follow(self.automated_run(api))
        self.show_timeline(api)

    def automated_run(self, api: PrefectApi) -> FlowRun:
        """The run that the automation started; a run of an interrupted demo counts too."""
        deadline = time.monotonic() + AUTOMATION_SECONDS
        while time.monotonic() < deadline:
            for run in api.flow_runs(deployment=CYCLE):
                if run.parameters.get("trigger") == "drift":
                    return run
            time.sleep(1)
        raise TuneloopError(
            "no retraining run was started: see the automation's log in the Prefect UI and `tuneloop logs`"
        )

    def follow(self, run: FlowRun) -> None:
        self.say(f"the automation started {run.name}")
        ended = api_wait(prefect_api(self.settings), run, self.console)
        if not ended.is_completed:
            raise TuneloopError(f"{ended.name} ended {ended.state}: {ended.message}")

    def show_timeline(self, api: PrefectApi) -> None:
        round_ = next(r for r in self.rounds() if r.trigger == "drift")
        run = api.flow_run(round_.flow_run_id or "")
        moments = [(e.occurred, f"event {e.name}, id {e.id}") for e in api.events(names=[DRIFT_EVENT])[:1]]
        moments += [
            (run.created, f"automation `retrain on drift` asked for run {run.id}"),
            (run.started or "", f"run {run.name!r} started"),
            (round_.started_at, f"round {round_.number} judged: {round_.verdict.decision}"),
        ]
        for moment, what in sorted(moments):
            clock = datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")
            self.say(f"  {clock}  {what}")

    def show_result(self, seconds: float) -> None:
        self.tuneloop("report", "--recipe", NAME)
        state = known_state(self.settings)
        page = rounds_folder(self.settings.workspace_path, NAME) / "report.html"
        self.say(f"\nPrefect  {state.url('prefect')}\nMLflow   {state.url('mlflow')}\nArgilla  {state.url('argilla')}")
        self.say(f"Report   {page}\nLogins   tuneloop secrets     Stop   tuneloop down\n\nThis took {seconds:.0f} s.")


def api_wait(api: PrefectApi, run: FlowRun, console: Console) -> FlowRun:
    from tuneloop.cli.follow import Follower

    return Follower(api, console).follow(run.id)


if __name__ == "__main__":
    try:
        main()
    except TuneloopError as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
