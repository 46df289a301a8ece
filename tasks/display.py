"""What a flow run's page shows: artifacts of each step, and a training while it runs.

Everything of a running training but the log lines goes through threads of its own, one for each receiver: a slow one
delays no other, and none of them delays or fails the training.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from tuneloop.errors import TuneloopError
from tuneloop.ports import Registry
from tuneloop.reports import review, run_notes
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.verdict import sentence
from tuneloop.reports.figures import data_uri
from tuneloop.reports.markdown import code, plain
from tuneloop.reports.search import curve_markdown, draw_curve, draw_search, search_markdown
from tuneloop.reports.training import curves, describe, percent, picture_of
from tuneloop.results import (
    DriftReport,
    EvaluationReport,
    Opinion,
    ReviewReport,
    ReviewSummary,
    Round,
    TrainingReport,
    Verdict,
)
from tuneloop.results.private_test import PrivateReport
from tuneloop.results.search import LearningCurve, SearchReport

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress

T = TypeVar("T")
CLOSING_SECONDS = 5.0
LOG_EVERY_STEPS = 10
PAUSE_SECONDS = 15.0
"""Between two pictures, and two visits to MLflow."""

Seen = tuple["Progress", ...]


def show_evaluation(recipe: str, report: EvaluationReport) -> None:
    """Show one model's scores as a table."""
    create_table_artifact(
        key=f"evaluation-{recipe}-{report.model}",
        table=run_notes.model_table(report),
        description=f"{report.model} {report.model_hash[:12]} on {report.data_version}: means with intervals",
    )


def show_verdict(recipe: str, verdict: Verdict, candidate: EvaluationReport) -> None:
    """Show the verdict as Markdown; `candidate` tells for which metrics lower is better."""
    markdown = run_notes.verdict_markdown(verdict, tables.lower_metrics(candidate))
    create_markdown_artifact(key=f"gate-{recipe}", markdown=markdown)


def show_judgments(recipe: str, judgments: Sequence[Opinion]) -> None:
    """Show what reviewers and the judge found, if anything."""
    if judgments:
        create_markdown_artifact(key=f"opinions-{recipe}", markdown=run_notes.judgments_markdown(judgments))


def show_round(round_: Round, rounds: Sequence[Round], *, overview: Path, evaluation: Path) -> None:
    """Show the round's models side by side, and the scores of all rounds; the paths are those of the whole reports."""
    create_table_artifact(
        key=f"models-{round_.recipe}",
        table=run_notes.score_table(round_),
        description=f"Round {round_.number}. {plain(sentence(round_.verdict))} Full report: {code(str(evaluation))}",
    )
    create_markdown_artifact(key=f"rounds-{round_.recipe}", markdown=run_notes.round_markdown(round_, rounds, overview))


def show_private_test(report: PrivateReport) -> None:
    """Show the means on the private rows; warnings are logged as well."""
    for warning in report.warnings:
        get_run_logger().warning("private test: %s", warning)
    create_markdown_artifact(key=f"private-test-{report.recipe}", markdown=run_notes.private_markdown(report))


def show_drift(recipe: str, report: DriftReport) -> None:
    """Show whether traffic has drifted."""
    create_markdown_artifact(key=f"drift-{recipe}", markdown=run_notes.drift_markdown(report))


def show_set(report: ReviewReport, recipe: str) -> None:
    """Show a link to the review set, and a table of what chose its records: counts, no texts."""
    key = f"review-{recipe}" + ("" if report.kind == "answers" else f"-{report.kind.replace('_', '-')}")
    for note in report.notes:
        get_run_logger().warning("%s: %s", report.review_set, note)
    create_link_artifact(report.url, link_text=f"{report.review_set}: {report.records} records to review", key=key)
    create_table_artifact(
        key=f"{key}-sample",
        table=run_notes.sample_rows(report),
        description="\n\n".join([f"{report.review_set}: {report.records} records", *report.notes]),
    )


def show_review(summary: ReviewSummary, page: Path) -> None:
    """Show progress, agreement, conflicts, and the rows that came of the answers."""
    recipe = summary.recipe
    create_markdown_artifact(key=f"feedback-{recipe}", markdown=run_notes.review_markdown(summary, page))
    if summary.sets:
        create_table_artifact(
            key=f"review-sets-{recipe}", table=review.set_rows(summary), description=review.headline(summary)
        )


def show_search(report: SearchReport) -> None:
    """Show the trials so far."""
    picture = data_uri(draw_search(report))
    create_markdown_artifact(key=f"search-{report.recipe}", markdown=search_markdown(report, picture))


def show_curve(curve: LearningCurve) -> None:
    """Show the learning curve."""
    picture = data_uri(draw_curve(curve))
    create_markdown_artifact(key=f"learning-curve-{curve.recipe}", markdown=curve_markdown(curve, picture))


class TrainingDisplay:
    """Show the points it is given for as long as the block runs, and the last state when it ends.

    Args:
        recipe: its name; part of the artifacts' keys, and MLflow's experiment.
        data_version: for titles.
        training_key: names the run in MLflow, which `register` finds again by it.
        open_registry: gives what tracks the losses, on a thread; None leaves it out.
    """

    def __init__(
        self, recipe: str, data_version: str, training_key: str, open_registry: Callable[[], Registry] | None
    ) -> None:
        self._recipe = recipe
        self._title = f"{recipe} on {data_version}"
        self._run_name = f"{recipe}-{training_key}"
        self._open_registry = open_registry
        self._log = get_run_logger()
        self._seen: list[Progress] = []
        self._finished = False
        self._threads = ExitStack()
        self._posts: list[Callable[[Seen], None]] = []

    def __enter__(self) -> Self:
        # Made here: an artifact belongs to the run it is created in, and threads do not know theirs.
        text = f"Fine-tuning {self._title}"
        self._progress = create_progress_artifact(0.0, key=f"training-{self._recipe}", description=text)
        self._picture = create_markdown_artifact(f"{text}: no loss yet", key=f"loss-{self._recipe}")
        self._show_in_background(self._update_progress, "progress", 0.0)
        self._show_in_background(self._update_picture, "the loss curve", PAUSE_SECONDS)
        if self._open_registry:
            self._show_in_background(self._track, "the loss in MLflow", PAUSE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.close()

    def on_progress(self, point: Progress) -> None:
        """Take in one more point."""
        known = len(self._seen[-1].warnings) if self._seen else 0
        for warning in point.warnings[known:]:
            self._log.warning("%s at step %d: %s", warning.kind.replace("_", " "), warning.step, warning.text)
        self._seen.append(point)
        if point.eval_loss is not None or point.step % LOG_EVERY_STEPS == 0:
            self._log.info("%3.0f %%, %s", percent(point), describe(self._seen))
        self._post()

    def finish(self, report: TrainingReport) -> None:
        """The run has ended well; a report from an earlier one is shown as if it had just been."""
        from tuneloop.training.progress import Progress

        self._finished = True
        rest = {"max_steps": report.steps, "kept_step": report.kept_step, "warnings": tuple(report.warnings)}
        self._seen = self._seen or [Progress(**point.model_dump(), **rest) for point in report.losses]
        self._post()

    def _show_in_background(self, show: Callable[[Seen], None], name: str, pause_seconds: float) -> None:
        thread = Background(show, name=name, pause_seconds=pause_seconds, log=self._log)
        self._posts.append(self._threads.enter_context(thread))

    def _post(self) -> None:
        for post in self._posts:
            post(tuple(self._seen))

    def _update_progress(self, seen: Seen) -> None:
        done = 100.0 if self._finished else percent(seen[-1])
        update_progress_artifact(self._progress, done, description=describe(seen))

    def _update_picture(self, seen: Seen) -> None:
        update_markdown(self._picture, picture_of(seen, self._title))

    def _track(self, seen: Seen) -> None:
        finished = self._finished
        assert self._open_registry is not None
        self._open_registry().log_curves(self._recipe, self._run_name, curves=curves(seen), finished=finished)


def update_markdown(artifact: UUID, markdown: str) -> None:
    """Replace an artifact's text; a new artifact for every picture would fill Prefect's database."""
    with get_client(sync_client=True) as client:
        client.update_artifact(artifact, ArtifactUpdate(data=markdown))


class Background(Generic[T]):
    """Hand the newest value to `send` on a daemon thread; one that comes while it is busy replaces the waiting one.

    The receiver may be slow or away for minutes (a server restart); the work goes on regardless. The first failure
    is logged, and then no more until something was sent again. The last value is sent at the end.

    Args:
        send: called on the thread, with one value at a time.
        name: of what is sent, for the log.
        pause_seconds: at least so much time passes between two calls, but not before the last.
        log: where failures go; by default this module's logger.
    """

    def __init__(
        self, send: Callable[[T], None], *, name: str = "progress", pause_seconds: float = 0.0, log: Any = None
    ) -> None:
        self._send = send
        self._name = name
        self._pause_seconds = pause_seconds
        self._log = log or logging.getLogger(__name__)
        self._waiting: queue.Queue[T | None] = queue.Queue(maxsize=1)
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Callable[[T], None]:
        self._thread.start()
        return self._put

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            try:
                self._waiting.put(None, timeout=0.05)  # behind the last value, not in its place
            except queue.Full:
                continue
            self._thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _put(self, value: T) -> None:
        while True:
            try:
                self._waiting.put_nowait(value)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    continue
            else:
                return

    def _work(self) -> None:
        while (value := self._waiting.get()) is not None:
            try:
                self._send(value)
            except Exception as error:  # noqa: BLE001 - the edge of a thread: progress is never worth a training run
                if not self._failing:
                    # Other people's errors may quote what they were sent.
                    text = str(error) if isinstance(error, TuneloopError) else type(error).__name__
                    self._log.warning("%s cannot be shown at present, the work goes on: %s", self._name, text)
                self._failing = True
            else:
                self._failing = False
            self._closing.wait(self._pause_seconds)
