"""Pictures of an evaluation, as PNG bytes: the rules of the gate as a forest plot, and scores by slice or category."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneloop.reports.evaluation.tables import LOSSES, reports_of
from tuneloop.reports.evaluation.verdict import SIGNS, State, is_number, is_own_score, rule_of, state_of
from tuneloop.reports.figures import label_of, new_figure, new_panels, png_of
from tuneloop.results import Metric, Reason, Round, Verdict

ROW_INCHES = 0.46
MARGIN_INCHES = 0.95
PARTS_SHOWN = 20
OWN = "candidate's own score"
CHANGE = "change of the score, to the right is better"
LARGE_CHANGE = "change of a metric that is no share, to the right is better"
COLOURS: dict[State, str] = dict.fromkeys(SIGNS, "#6b7280") | {"holds": "#18794e", "fails": "#b4232c"}
MODELS = {"base": ("#8a94a3", "s"), "champion": ("#b7791f", "D"), "candidate": ("#2b6cb0", "o")}


@dataclass(frozen=True, slots=True)
class _Line:
    """A rule as it is drawn: turned so that more is better."""

    label: str
    state: State
    value: float
    low: float
    high: float
    threshold: float | None


def draw_forest(verdict: Verdict, lower: Collection[str] = LOSSES) -> bytes:
    """Every measured rule: the change with its interval against what was needed; to the right is better.

    Colour and the sign before the label say whether it holds. Rules on the candidate's own score have a panel of their
    own, as have metrics that are no shares. Empty bytes where no rule has numbers.

    Args:
        verdict: of the gate.
        lower: metrics for which lower is better; they are turned round.
    """
    panels = _panels(verdict, lower)
    if not panels:
        return b""
    rows = [len(lines) for lines in panels.values()]
    figure, axes = new_panels([float(n) for n in rows], 7.0, sum(rows) * ROW_INCHES + len(rows) * MARGIN_INCHES)
    for panel, (title, lines) in zip(axes, panels.items(), strict=True):
        _draw_lines(panel, lines)
        if title != OWN:
            panel.axvline(0.0, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        panel.set_xlabel(title)
    return png_of(figure, dpi=130)


def draw_parts(parts: Mapping[str, Mapping[str, Metric]], metric: str) -> bytes:
    """A metric of every model in each part (slice or category), with the candidate's interval.

    Args:
        parts: part -> model -> metric; the first ones are drawn.
        metric: its name, for the axis.
    """
    shown = list(parts.items())[:PARTS_SHOWN]
    figure, axes = new_figure(7.0, len(shown) * ROW_INCHES * 0.8 + MARGIN_INCHES)
    for place, (_, found) in enumerate(shown):
        _draw_part(axes, place, found)
    labels = [f"{label_of(name, 32)} (n={_rows(found)})" for name, found in shown]
    axes.set_yticks(range(len(shown)), labels, parse_math=False)
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25)
    axes.set_xlabel(label_of(metric), parse_math=False)
    axes.legend(handles=_legend(shown), frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
    return png_of(figure, dpi=130)


def slices_of(round_: Round, metric: str, order: Sequence[str]) -> dict[str, dict[str, Metric]]:
    """Slice -> model -> metric, in this order."""
    reports = reports_of(round_)
    return {
        name: {m: r.slices[name][metric] for m, r in reports.items() if metric in r.slices.get(name, {})}
        for name in order
    }


def _panels(verdict: Verdict, lower: Collection[str]) -> dict[str, list[_Line]]:
    """Title of a panel -> its lines. Own scores are drawn as they are: people know them by their value."""
    found: dict[str, list[_Line]] = {}
    for reason in verdict.reasons:
        own = is_own_score(reason)
        value = reason.candidate if own else reason.change
        if value is None or not is_number(value) or not is_number(reason.candidate):
            continue
        line = _line(reason, value, turned=not own and reason.metric in lower)
        is_share = max(abs(line.low), abs(line.high)) <= 1.0
        found.setdefault(OWN if own else CHANGE if is_share else LARGE_CHANGE, []).append(line)
    return found


def _line(reason: Reason, value: float, *, turned: bool) -> _Line:
    low = reason.low if reason.low is not None and is_number(reason.low) else value
    high = reason.high if reason.high is not None and is_number(reason.high) else value
    threshold = reason.threshold if is_number(reason.threshold) else None
    state = state_of(reason)
    label = f"{SIGNS[state]} {label_of(rule_of(reason), 90)}"
    if turned:
        return _Line(label, state, -value, -high, -low, None if threshold is None else -threshold)
    return _Line(label, state, value, low, high, threshold)


def _draw_lines(axes: Any, lines: Sequence[_Line]) -> None:
    for place, line in enumerate(lines):
        colour = COLOURS[line.state]
        axes.plot([line.low, line.high], [place, place], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(line.value, place, "o" if line.state == "holds" else "X", color=colour, markersize=8)
        if line.threshold is not None:
            axes.plot([line.threshold] * 2, [place - 0.22, place + 0.22], color="black", linewidth=1.6)
        axes.annotate(
            line.label, (0.0, place - 0.3), xycoords=("axes fraction", "data"), va="bottom", ha="left", fontsize=9,
            color=colour, parse_math=False,
        )  # fmt: skip
    axes.set_ylim(len(lines) - 0.5, -0.95)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _draw_part(axes: Any, place: int, found: Mapping[str, Metric]) -> None:
    for model, metric in found.items():
        colour, marker = MODELS[model]
        if model == "candidate":
            axes.plot([metric.low, metric.high], [place, place], color=colour, linewidth=2.2, alpha=0.6)
        axes.plot(metric.value, place, marker, color=colour, markersize=7, mec="white")


def _rows(found: Mapping[str, Metric]) -> int:
    return max((metric.n for metric in found.values()), default=0)


def _legend(shown: Sequence[tuple[str, Mapping[str, Metric]]]) -> list[Any]:
    from matplotlib.lines import Line2D

    present = {model for _, found in shown for model in found}
    return [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=name)
        for name, (colour, marker) in MODELS.items()
        if name in present
    ]
