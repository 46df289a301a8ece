"""Pictures of a review, as PNG bytes; empty where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.reports.figures import label_of, new_figure, png_of
from tuneloop.results import Quality, QuestionAgreement, ReviewerSummary, SetSummary

ROW_INCHES = 0.36
MARGIN_INCHES = 1.1
BLUE, RED, AMBER = "#2b6cb0", "#b4232c", "#b7791f"
SETS_SHOWN = 30
RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's marks for alpha."""
UNKNOWN = 0.8
"""How reliable somebody is taken to be of whom nothing is known."""


def draw_agreement(agreement: Sequence[QuestionAgreement]) -> bytes:
    """Alpha of each question with its interval, and the marks from which on it is worth something."""
    found = [each for each in agreement if each.alpha is not None]
    if not found:
        return b""
    figure, axes = _rows([f"{label_of(each.question, 30)} (n={each.records})" for each in found])
    _mark(axes, {"chance": 0.0, "tentative ": TENTATIVE, " reliable": RELIABLE})
    for place, each in enumerate(found):
        if each.low is not None and each.high is not None:
            axes.plot([each.low, each.high], [place, place], color=BLUE, linewidth=2.2, alpha=0.6)
        axes.plot(each.alpha, place, "o" if each.low is not None else "D", color=BLUE, markersize=7)
    axes.set_xlim(min(-0.1, *(each.low or 0.0 for each in found)), 1.05)
    axes.set_xlabel("Krippendorff's alpha")
    return png_of(figure, dpi=130)


def draw_ratings(sets: Sequence[SetSummary], quality: Sequence[Quality]) -> bytes:
    """Mean rating of each set with its interval, in the order of the last answers; and of what chance has drawn of the
    latest model."""
    rated = sorted((each for each in sets if each.rating is not None), key=lambda each: each.last_answer)[-SETS_SHOWN:]
    if not rated:
        return b""
    figure, axes = new_figure(7.0, 3.4)
    for place, each in enumerate(rated):
        if each.rating is not None:
            axes.plot([place, place], [each.rating.low, each.rating.high], color=BLUE, linewidth=2.2, alpha=0.6)
            axes.plot(place, each.rating.value, "o", color=BLUE, markersize=7)
    if quality:
        latest = quality[-1].rating
        axes.axhspan(latest.low, latest.high, color=AMBER, alpha=0.15, linewidth=0)
        axes.axhline(latest.value, color=AMBER, linewidth=1.4, label="drawn at random, latest model")
        axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    labels = [label_of(each.review_set, 28) for each in rated]
    axes.set_xticks(range(len(rated)), labels, rotation=25, ha="right", fontsize=8, parse_math=False)
    axes.set(ylim=(0.9, 5.1), xlim=(-0.5, len(rated) - 0.5), ylabel="mean rating")
    return png_of(figure, dpi=130)


def draw_times(reviewers: Sequence[ReviewerSummary]) -> bytes:
    """Seconds of each person's records as points, their median as a line; outliers in red."""
    timed = [each for each in reviewers if each.seconds]
    if not timed:
        return b""
    figure, axes = _rows([label_of(each.reviewer, 30) for each in timed])
    for place, each in enumerate(timed):
        colour = RED if each.pace in {"fast", "slow"} else BLUE
        axes.plot(each.seconds, [place + _spread(i) for i in range(len(each.seconds))], ".", color=colour, alpha=0.35)
        axes.plot([each.median_seconds] * 2, [place - 0.32, place + 0.32], color=colour, linewidth=2.2)
    axes.set_xscale("log")
    ticks = [tick for tick in (1, 5, 15, 60, 300, 1800) if tick <= 2 * max(max(each.seconds) for each in timed)]
    axes.set_xticks(ticks, [f"{tick} s" if tick < 60 else f"{tick // 60} min" for tick in ticks])  # noqa: PLR2004
    axes.minorticks_off()
    axes.set_xlabel("time per record")
    return png_of(figure, dpi=130)


def draw_reliability(reviewers: Sequence[ReviewerSummary]) -> bytes:
    """How far each person can be trusted, with the interval; doubtful ones in red."""
    if not reviewers:
        return b""
    figure, axes = _rows([f"{label_of(each.reviewer, 30)} (n={each.records})" for each in reviewers])
    _mark(axes, {"coin": 0.5, "unknown person": UNKNOWN})
    for place, each in enumerate(reviewers):
        colour = RED if each.is_doubtful else BLUE
        axes.plot([each.low, each.high], [place, place], color=colour, linewidth=2.2, alpha=0.6)
        axes.plot(each.reliability, place, "X" if each.is_doubtful else "o", color=colour, markersize=7)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("chance of judging a record rightly")
    return png_of(figure, dpi=130)


def _mark(axes: Any, marks: Mapping[str, float]) -> None:
    """Dotted lines with names above them; a name that ends in a space stands left of its line, one that begins so right
    of it."""
    for name, mark in marks.items():
        side = "right" if name.endswith(" ") else "left" if name.startswith(" ") else "center"
        axes.axvline(mark, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.annotate(
            name.strip(),
            (mark, 1.01),
            xycoords=("data", "axes fraction"),
            ha=side,
            va="bottom",
            fontsize=8,
            color="0.4",
        )


def _rows(labels: Sequence[str]) -> tuple[Any, Any]:
    figure, axes = new_figure(7.0, MARGIN_INCHES + ROW_INCHES * len(labels))
    axes.set_yticks(range(len(labels)), list(labels), parse_math=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.2)
    return figure, axes


def _spread(number: int) -> float:
    """Points of one row beside each other, always the same."""
    return ((number * 0.618) % 1 - 0.5) * 0.5
