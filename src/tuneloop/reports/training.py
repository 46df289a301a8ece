"""Reports of a training: loss curves, as PNG bytes."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from tuneloop.reports.figures import new_figure, png_of
from tuneloop.results import LossPoint, Round, TrainingWarning


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
