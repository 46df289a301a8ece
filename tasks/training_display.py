"""What people see of a training run: progress and loss curve in the Prefect UI, the losses in MLflow, lines in the log.

Everything but the log lines goes through threads of its own, one for each receiver: a slow one delays no other, and
none of them delays or fails the training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate

from tasks import wiring
from tasks.progress import Background
from tuneloop.reports.figures import data_uri
from tuneloop.reports.training import loss_curve
from tuneloop.results import TrainingReport

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress

LOG_EVERY_STEPS = 10
PAUSE_SECONDS = 15.0
"""Between two pictures, and two visits to MLflow."""

CURVES = {
    "training/loss": "train_loss",
    "training/validation_loss": "eval_loss",
    "training/learning_rate": "learning_rate",
    "training/gradient_norm": "gradient_norm",
    "training/tokens_per_second": "tokens_per_second",
}
"""Metric in MLflow -> field. Names apart from the round's own metrics, which have one value for the whole run."""

Seen = tuple["Progress", ...]


class TrainingDisplay:
    """Shows the points it is given for as long as the block runs, and the last state when it ends.

    Args:
        recipe: its name; part of the artifacts' keys, and MLflow's experiment.
        data_version: for titles.
        training_key: names the run in MLflow, which `register` finds again by it.
        mlflow: False leaves MLflow out.
    """

    def __init__(self, recipe: str, data_version: str, training_key: str, *, mlflow: bool) -> None:
        self._recipe = recipe
        self._title = f"{recipe} on {data_version}"
        self._run_name = f"{recipe}-{training_key}"
        self._mlflow = mlflow
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
        if self._mlflow:
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
            self._log.info("%3.0f %%, %s", _percent(point), describe(self._seen))
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
        percent = 100.0 if self._finished else _percent(seen[-1])
        update_progress_artifact(self._progress, percent, description=describe(seen))

    def _update_picture(self, seen: Seen) -> None:
        update_markdown(self._picture, picture_of(seen, self._title))

    def _track(self, seen: Seen) -> None:
        finished = self._finished
        wiring.registry().log_curves(self._recipe, self._run_name, curves=curves(seen), finished=finished)


def describe(seen: Sequence[Progress]) -> str:
    """Where the run is, in a line."""
    point = seen[-1]
    parts = [
        _last(seen, "train_loss", "train {:.3f}"),
        _last(seen, "eval_loss", "validation {:.3f}"),
        f"{point.tokens_per_second:.0f} tokens/s" if point.tokens_per_second else "",
        f"{_duration(point.seconds_left)} left" if point.seconds_left else "",
        f"lowest validation loss at step {point.kept_step}" if point.kept_step else "",
        *(f"{warning.kind.replace('_', ' ')} at step {warning.step}" for warning in point.warnings),
    ]
    return f"step {point.step} of {point.max_steps}: " + ", ".join(filter(None, parts))


def picture_of(seen: Sequence[Progress], title: str) -> str:
    """Loss curve and warnings as Markdown."""
    point = seen[-1]
    png = loss_curve(
        seen,
        title,
        learning_rates=[(p.step, p.learning_rate) for p in seen if p.learning_rate is not None],
        kept_step=point.kept_step,
        warnings=point.warnings,
        max_steps=point.max_steps,
    )
    advice = "".join(f"- **{w.kind.replace('_', ' ')}** at step {w.step}: {w.text}\n" for w in point.warnings)
    return f"![loss by step]({data_uri(png)})\n\n{describe(seen)}\n\n{advice}"


def curves(seen: Sequence[Progress]) -> dict[str, list[tuple[int, float]]]:
    """Metric -> (step, value)."""
    found = {name: [(p.step, getattr(p, field)) for p in seen] for name, field in CURVES.items()}
    return {name: [(step, value) for step, value in points if value is not None] for name, points in found.items()}


def update_markdown(artifact: UUID, markdown: str) -> None:
    """Replace an artifact's text; a new artifact for every picture would fill Prefect's database."""
    with get_client(sync_client=True) as client:
        client.update_artifact(artifact, ArtifactUpdate(data=markdown))


def _last(seen: Sequence[Progress], field: str, form: str) -> str:
    value: Any = next((getattr(p, field) for p in reversed(seen) if getattr(p, field) is not None), None)
    return form.format(value) if value is not None else ""


def _percent(point: Progress) -> float:
    return min(100.0, 100 * point.step / point.max_steps)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
