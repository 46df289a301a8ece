"""Reports of a hyperparameter search: tables and plots."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from tuneloop.results.search import LearningCurve, SearchReport, TrialResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure


ORDER = ("finished", "pruned", "failed", "unfinished")


def trial_rows(report: SearchReport) -> list[dict[str, Any]]:
    """One row per trial: finished ones from the lowest loss up, then those given up, then those that failed."""
    ranked = sorted(report.trials, key=lambda t: (ORDER.index(t.state), _loss(t), t.number))
    return [
        {
            "trial": f"{trial.number} (the recipe's)" if trial.number == 0 else str(trial.number),
            **trial.values,
            "validation loss": "" if trial.loss is None else f"{trial.loss:.4f}",
            "seconds": "" if trial.seconds is None else f"{trial.seconds:.0f}",
            "ended": _ending(trial),
        }
        for trial in ranked
    ]


def verdict(report: SearchReport) -> str:
    """What may be concluded, with the interval that says how sure we are."""
    if not report.finished:
        return "No trial has been trained to its end yet."
    best = report.finished[0]
    unfinished = "" if report.is_complete else f" So far {len(report.finished)} of {report.planned} trials are trained."
    if best.number == 0:
        return f"Nothing tried was better than the recipe's own values (validation loss {best.loss:.4f}).{unfinished}"
    found = f"Trial {best.number} has the lowest validation loss, {best.loss:.4f}."
    if report.comparison is None:
        return f"{found} How sure that is was not measured.{unfinished}"
    return f"{found} {_compared(report)}{unfinished}"


def recipe_lines(report: SearchReport) -> str:
    """The best trial's values as they go into the recipe; empty when the recipe's own are the best."""
    return yaml.safe_dump({"training": dict(report.lines)}, sort_keys=False) if report.lines else ""


def search_markdown(report: SearchReport, picture: str) -> str:
    """For the Prefect page; `picture` is a data URI."""
    lines = recipe_lines(report)
    paste = f"\n\nFor the recipe:\n\n```yaml\n{lines}```" if lines else ""
    return f"{verdict(report)}\n\n![validation loss by trial]({picture})\n\n{table(trial_rows(report))}{paste}"


def curve_rows(curve: LearningCurve) -> list[dict[str, Any]]:
    """One row per number of training rows."""
    return [
        {"training rows": p.rows, "validation loss": f"{p.loss:.4f}", "seconds": f"{p.seconds:.0f}"}
        for p in curve.points
    ]


def curve_verdict(curve: LearningCurve) -> str:
    """Whether more rows would help, in one sentence or two."""
    if curve.slope is None or curve.slope_low is None or curve.slope_high is None:
        return f"{len(curve.points)} points are too few for a line: at least three sizes are needed."
    interval = f"95 % interval {curve.slope_low:+.3f} to {curve.slope_high:+.3f}"
    if curve.slope_high < 0:
        last = curve.points[-1]
        more, twice = last.loss + curve.slope, 2 * last.rows
        return (
            f"More rows should help: every doubling has changed the validation loss by {curve.slope:+.3f} "
            f"({interval}). If that goes on, {twice} rows would bring it from {last.loss:.3f} to about {more:.3f}."
        )
    if curve.slope_low > 0:
        return f"More rows have not helped: every doubling has changed the loss by {curve.slope:+.3f} ({interval})."
    return (
        f"These runs do not say whether more rows would help: every doubling has changed the validation loss by "
        f"{curve.slope:+.3f}, and the interval holds 0 ({interval})."
    )


def curve_markdown(curve: LearningCurve, picture: str) -> str:
    """For the Prefect page; `picture` is a data URI."""
    return f"{curve_verdict(curve)}\n\n![validation loss by rows]({picture})\n\n{table(curve_rows(curve))}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table; the columns are those of the first row."""
    if not rows:
        return ""
    cells = [list(rows[0]), ["---"] * len(rows[0]), *([str(row.get(name, "")) for name in rows[0]] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in cells)


def _compared(report: SearchReport) -> str:
    comparison = report.comparison
    assert comparison is not None
    difference = (
        f"Against the recipe's own values that is {comparison.difference:+.4f} "
        f"({comparison.low:+.4f} to {comparison.high:+.4f}, over {comparison.rows} validation rows, for the best of "
        f"{comparison.candidates} at 95 %)"
    )
    if comparison.is_better:
        return f"{difference}: better by more than the choice of rows explains."
    return (
        f"{difference}: not distinguishable from no difference. Keep the recipe's values, or search again with more "
        "validation rows (data.max_validation_rows, data.validation_share)."
    )


def _loss(trial: TrialResult) -> float:
    return math.inf if trial.loss is None else trial.loss


def _ending(trial: TrialResult) -> str:
    if trial.state == "pruned":
        return f"given up at {100 * (trial.pruned_at or 0):.0f} %"
    return f"failed: {trial.reason}" if trial.state == "failed" else trial.state


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
