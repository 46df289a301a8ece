"""Pictures of a search and of a learning curve, as PNG bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tuneloop.search_results import LearningCurve, SearchReport, TrialResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#2b6cb0", "#c2410c", "#2f855a", "#805ad5", "#b7791f", "#4a5568")
MARKERS = ("o", "s", "^", "D", "v", "P")
LINE = "#c4c9d1"


def draw_search(report: SearchReport) -> bytes:
    """Validation loss over the learning rate (or, where none is searched, over the trials); colour: rank, shape: what
    the adapters are on. Hollow: given up on the way, with the last loss seen. A ring: the recipe's own values."""
    figure, axes = _figure()
    shown = [trial for trial in report.trials if trial.loss is not None]
    across = "learning_rate" if any("learning_rate" in trial.values for trial in shown) else ""
    colour, marker = _styles(shown, "lora_rank", COLOURS), _styles(shown, "target_modules", MARKERS)
    for trial in shown:
        place, tint = float(trial.values.get(across, trial.number)), colour(trial)
        face = tint if trial.state == "finished" else "none"
        axes.plot(place, trial.loss, marker(trial), color=tint, markerfacecolor=face, markersize=7)
        axes.annotate(str(trial.number), (place, trial.loss or 0.0), xytext=(6, 4), textcoords="offset points", size=8)
        if trial.number == 0:
            axes.plot(place, trial.loss, "o", color="black", markerfacecolor="none", markersize=13)
    if across and shown:
        axes.set_xscale("log")
    axes.set(xlabel=across.replace("_", " ") or "trial", ylabel="validation loss per answer token")
    _legend(axes, shown)
    return _png(figure)


def draw_curve(curve: LearningCurve) -> bytes:
    """Validation loss over training rows on a log scale, with the fitted line where there is one."""
    figure, axes = _figure()
    rows = [point.rows for point in curve.points]
    if curve.slope is not None and curve.intercept is not None:
        ends = [rows[0], 2 * rows[-1]]
        axes.plot(ends, [curve.intercept + curve.slope * math.log2(n) for n in ends], "--", color=LINE, zorder=0)
    axes.plot(rows, [point.loss for point in curve.points], "o-", color=COLOURS[0])
    axes.set_xscale("log", base=2)
    axes.set_xticks(rows, [str(n) for n in rows])
    axes.set(xlabel="training rows", ylabel="validation loss per answer token")
    return _png(figure)


def _styles(trials: list[TrialResult], key: str, styles: tuple[str, ...]) -> Callable[[TrialResult], str]:
    known = _values(trials, key)
    return lambda trial: styles[known.index(trial.values[key]) % len(styles)] if key in trial.values else styles[0]


def _values(trials: list[TrialResult], key: str) -> list[Any]:
    return sorted({trial.values[key] for trial in trials if key in trial.values})


def _legend(axes: Any, trials: list[TrialResult]) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker="o", linestyle="", label=f"rank {value}")
        for i, value in enumerate(_values(trials, "lora_rank"))
    ] + [
        Line2D([], [], color="black", marker=MARKERS[i % len(MARKERS)], linestyle="", label=str(value))
        for i, value in enumerate(_values(trials, "target_modules"))
    ]
    hollow: dict[str, Any] = {"color": "black", "marker": "o", "markerfacecolor": "none", "linestyle": ""}
    entries += [
        Line2D([], [], label="given up", **hollow),
        Line2D([], [], label="the recipe's", markersize=13, **hollow),
    ]
    axes.legend(handles=entries, frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def _figure() -> tuple[Figure, Any]:
    # The object interface: pyplot keeps global state, and flow runs draw from several threads.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
