"""Reports of a training: loss curves, and how far a running one is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from tuneloop.reports.figures import data_uri, new_figure, png_of
from tuneloop.results import LossPoint, Round, TrainingWarning

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress

CURVES = {
    "training/loss": "train_loss",
    "training/validation_loss": "eval_loss",
    "training/learning_rate": "learning_rate",
    "training/gradient_norm": "gradient_norm",
    "training/tokens_per_second": "tokens_per_second",
}
"""Metric in MLflow -> field. Names apart from the round's own metrics, which have one value for the whole run."""


def loss_curve(
    losses: Sequence[LossPoint],
    title: str = "Loss",
    *,
    learning_rates: Sequence[tuple[int, float]] = (),
    kept_step: int | None = None,
    warnings: Sequence[TrainingWarning] = (),
    max_steps: int | None = None,
) -> bytes:
    """Training and validation loss over steps, with what was kept and warned of; the learning rate in the background.

    Args:
        losses: of the run so far; may be none yet.
        title: above the picture.
        learning_rates: (step, rate), drawn on an axis of its own.
        kept_step: ringed, where it has a validation loss.
        warnings: a line where each began, with its kind.
        max_steps: where the run will end, so that the picture of a running one does not change its scale.
    """
    figure, axes = new_figure()
    if learning_rates:
        _draw_rates(axes, learning_rates)
    draw_losses(axes, losses, "")
    _mark_kept(axes, losses, kept_step)
    _mark_warnings(axes, warnings)
    if max_steps:
        axes.set_xlim(0, max_steps * 1.02)
    if losses:
        axes.legend(frameon=False)
    axes.set_title(title)
    return png_of(figure)


def loss_curves(rounds: Sequence[Round]) -> bytes:
    """Every round's curves on one picture."""
    figure, axes = new_figure()
    for round_ in rounds:
        draw_losses(axes, round_.training.losses, f"round {round_.number} ")
    axes.set_title("Loss while training")
    return png_of(figure)


def describe(seen: Sequence[Progress]) -> str:
    """Say in a line where the run is."""
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
    """Draw the loss curve and list the warnings, as Markdown."""
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
    """Return metric -> (step, value), for tracking."""
    found = {name: [(p.step, getattr(p, field)) for p in seen] for name, field in CURVES.items()}
    return {name: [(step, value) for step, value in points if value is not None] for name, points in found.items()}


def percent(point: Progress) -> float:
    """Return how much of the run is done."""
    return min(100.0, 100 * point.step / point.max_steps)


def draw_losses(axes: Any, losses: Sequence[LossPoint], label: str) -> None:
    """Training losses faintly with a smooth line through them, validation losses as points."""
    train = [(p.step, p.train_loss) for p in losses if p.train_loss is not None]
    validation = [(p.step, p.eval_loss) for p in losses if p.eval_loss is not None]
    colour = None
    if train:
        steps, values = zip(*train, strict=True)
        colour = axes.plot(steps, smooth(values), label=f"{label}train", zorder=2)[0].get_color()
        axes.plot(steps, values, color=colour, alpha=0.3, linewidth=0.8, zorder=1)
    if validation:
        axes.plot(
            *zip(*validation, strict=True), "o--", color=colour, markersize=3.5, linewidth=1, label=f"{label}validation"
        )
    axes.set(xlabel="step", ylabel="loss per answer token")
    if train or validation:
        axes.legend(frameon=False)


def smooth(values: Sequence[float], share: float = 0.04) -> list[float]:
    """The mean of each value and its neighbours, `share` of all on either side (fewer, evenly, near the ends)."""
    most = round(share * len(values))
    reaches = [min(most, at, len(values) - 1 - at) for at in range(len(values))]
    return [fmean(values[at - reach : at + reach + 1]) for at, reach in enumerate(reaches)]


def _draw_rates(axes: Any, learning_rates: Sequence[tuple[int, float]]) -> None:
    rates = axes.twinx()
    rates.fill_between(*zip(*learning_rates, strict=True), color="0.5", alpha=0.12, linewidth=0)
    rates.set_ylabel("learning rate", color="0.5")
    rates.set_ylim(bottom=0)
    rates.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
    rates.tick_params(axis="y", colors="0.5")
    axes.set_zorder(rates.get_zorder() + 1)  # losses in front
    axes.patch.set_visible(False)


def _mark_kept(axes: Any, losses: Sequence[LossPoint], kept_step: int | None) -> None:
    for point in losses:
        if point.step == kept_step and point.eval_loss is not None:
            axes.plot(point.step, point.eval_loss, "o", markersize=11, mfc="none", mec="C2", mew=2, label="kept")


def _mark_warnings(axes: Any, warnings: Sequence[TrainingWarning]) -> None:
    for warning in warnings:
        axes.axvline(warning.step, color="C3", linestyle=":", linewidth=1)
        text = warning.kind.replace("_", " ")
        place = (warning.step, 0.97)
        axes.annotate(
            text, place, (-3, 0), xycoords=("data", "axes fraction"), textcoords="offset points", rotation=90,
            ha="right", va="top", color="C3", fontsize=8,
        )  # fmt: skip


def _last(seen: Sequence[Progress], field: str, form: str) -> str:
    value: Any = next((getattr(p, field) for p in reversed(seen) if getattr(p, field) is not None), None)
    return form.format(value) if value is not None else ""


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
