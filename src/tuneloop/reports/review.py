"""Reports of a human review: tables, plots, the page and the terminal view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuneloop.data.rejection_reasons import in_words, meaning
from tuneloop.reports.data.tables import cell
from tuneloop.reports.data.terminal import say, visible
from tuneloop.reports.figures import data_uri, label_of, new_figure, png_of
from tuneloop.reports.html import render, write_page_file
from tuneloop.results import Metric, Quality, QuestionAgreement, ReviewerSummary, ReviewSummary, SetSummary

FILES = {
    "corrections.jsonl": ("training rows", "corrections: an instruction recipe learns from them"),
    "preferences.jsonl": ("pairs", "a better and a worse answer: DPO and reward models learn from them"),
    "thumbs.jsonl": ("thumbs", "single answers that are good or bad: KTO learns from them"),
    "ratings.jsonl": ("ratings", "evidence for the gate: human_rating"),
    "comparisons.jsonl": ("comparisons", "evidence for the gate: human_preference"),
    "row_verdicts.jsonl": ("verdicts on training rows", "left out or mended in the next data version"),
    "triage.jsonl": ("red-team triage", "evidence by the suite's items; never learned from"),
}
UNUSABLE = {
    "conflict": "reviewers disagree, and nobody has decided yet",
    "flagged": "somebody said that it must be kept out of training",
    "discarded": "nobody who looked could judge it",
    "unreliable_reviewer": "judged by people alone whose word does not count",
    "test_prompt": "its prompt is one of the red-team suite, which is a test",
}
CONFLICTS = {
    "rating_gap": "ratings far apart",
    "opposite_preference": "each prefers another answer",
    "flagged_by_some": "flagged by some only",
    "left_out_by_some": "some want the row left out",
    "different_corrections": "corrections with little in common",
}


def set_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """One row per set: how far it is and what came of it."""
    return [
        {
            "set": each.review_set,
            "about": in_words(each.kind),
            "reviewed": _progress(each),
            "answers": each.submitted,
            "drafts": each.drafts,
            "discarded": each.discarded,
            "conflicts": each.conflicts_waiting,
            "mean rating": interval(each.rating),
            "alpha": figure(each.agreement),
        }
        for each in summary.sets
    ]


def agreement_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [
        {
            "question": each.question,
            "alpha": "-" if each.alpha is None else figure(each.alpha) + _bounds(each.low, each.high),
            "records": each.records,
            "people": each.reviewers,
            "in words": each.text,
        }
        for each in summary.agreement
    ]


def reviewer_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """One row per person, by pseudonym."""
    return [
        {
            "reviewer": each.reviewer,
            "records": each.records,
            "reliability": f"{each.reliability:.2f} [{each.low:.2f}, {each.high:.2f}]",
            "weight": f"{each.weight:.2f}",
            "gold right": _share(each.gold),
            "with decisions": _share(each.decided),
            "with others": _agreed(each),
            "per record": seconds(each.median_seconds),
            "remark": remark(each),
        }
        for each in summary.reviewers
    ]


def quality_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [
        {"model": each.model or "unknown", "records": each.rating.n, "mean rating": interval(each.rating)}
        for each in summary.quality
    ]


def output_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """What people's words became."""
    rows = [
        {"what": what, "rows": summary.rows.get(file, 0), "for": purpose} for file, (what, purpose) in FILES.items()
    ]
    return [*rows, {"what": "answers edited in production", "rows": summary.accepted, "for": "training rows"}]


def unusable_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """Records of which nothing is learned."""
    return [
        {"reason": in_words(name), "records": count, "meaning": UNUSABLE.get(name, "")}
        for name, count in summary.unusable.items()
    ]


def conflict_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    return [{"conflict": CONFLICTS.get(name, in_words(name)), "records": n} for name, n in summary.conflicts.items()]


def set_aside_rows(summary: ReviewSummary) -> list[dict[str, Any]]:
    """People's rows that did not pass the data checks, by reason."""
    found = summary.set_aside.reasons if summary.set_aside else {}
    return [{"reason": in_words(name), "rows": n, "meaning": meaning(name)} for name, n in found.items()]


def set_aside_sentence(summary: ReviewSummary) -> str:
    found = summary.set_aside
    if found is None:
        return "No data version has been made yet, so none of these rows has passed the data checks."
    gone = sum(found.reasons.values())
    words = f"Data version {found.version}: {found.came:,} rows came from people, {gone:,} of them were set aside"
    return f"{words}; reviewers had {found.withdrawn:,} rows of other sources left out and {found.mended:,} mended."


def counted_rows(counts: dict[str, int], name: str) -> list[dict[str, Any]]:
    return [{name: in_words(key), "times": count} for key, count in counts.items()]


def headline(summary: ReviewSummary) -> str:
    """The review in one sentence."""
    open_records = sum((each.records or 0) - (each.completed or 0) for each in summary.sets)
    answers = sum(each.submitted for each in summary.sets)
    return (
        f"{answers:,} answers in {len(summary.sets):,} sets; {open_records:,} records and "
        f"{summary.conflicts_waiting:,} conflicts wait for people"
    )


def figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def interval(metric: Metric | None) -> str:
    return "-" if metric is None else f"{metric.value:.2f} [{metric.low:.2f}, {metric.high:.2f}]"


def seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"  # noqa: PLR2004


def remark(person: ReviewerSummary) -> str:
    """What a team lead should look at."""
    trust = "word does not count" if person.weight == 0 else "doubtful" if person.is_doubtful else ""
    parts = [trust, f"{person.pace} compared with the others" if person.pace in {"fast", "slow"} else ""]
    return ", ".join(filter(None, parts))


def _progress(each: SetSummary) -> str:
    return "unknown" if each.records is None else f"{each.completed:,} of {each.records:,}"


def _bounds(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"


def _share(counts: tuple[int, int]) -> str:
    return f"{counts[0]} of {sum(counts)}" if sum(counts) else "-"


def _agreed(person: ReviewerSummary) -> str:
    right, wrong = person.peers
    return f"{right / (right + wrong):.0%}" if right + wrong else "-"


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


PAGE, SUMMARY = "review.html", "summary.json"


def write_review_page(folder: Path, summary: ReviewSummary) -> Path:
    """Replace the page and the summary that it shows, in the feedback folder; returns the page's path."""
    write_page_file(folder / SUMMARY, summary.model_dump_json(indent=2))
    return write_page_file(folder / PAGE, render_review_page(summary))


def read_summaries(workspace: Path) -> list[tuple[Path, ReviewSummary]]:
    """(feedback folder, summary) of every recipe whose feedback was collected, by name. What another release wrote is
    passed over: the next collection replaces it."""
    found = []
    for file in sorted(workspace.glob(f"feedback/*/{SUMMARY}")):
        try:
            found.append((file.parent, ReviewSummary.model_validate_json(file.read_bytes())))
        except ValidationError:
            continue
    return found


def render_review_page(summary: ReviewSummary) -> str:
    """The page as text. Everything is escaped; people appear by pseudonym, rows not at all."""
    pictures = {
        "agreement_picture": draw_agreement(summary.agreement),
        "ratings_picture": draw_ratings(summary.sets, summary.quality),
        "times_picture": draw_times(summary.reviewers),
        "reliability_picture": draw_reliability(summary.reviewers),
    }
    return render(
        "review_report.html.j2",
        s=summary,
        headline=headline(summary),
        sets=set_rows(summary),
        agreement=agreement_rows(summary),
        reviewers=reviewer_rows(summary),
        quality=quality_rows(summary),
        outputs=output_rows(summary),
        unusable=unusable_rows(summary),
        conflicts=conflict_rows(summary),
        set_aside=set_aside_rows(summary),
        set_aside_sentence=set_aside_sentence(summary),
        issues=counted_rows(summary.issues, "issue"),
        discards=counted_rows(summary.discards, "reason"),
        **{name: data_uri(png) if png else "" for name, png in pictures.items()},
    )


def print_review(summary: ReviewSummary, console: Console) -> None:
    """Who is waited for first, then sets, agreement, people and what became of it."""
    say(console, f"{summary.recipe}: {headline(summary)}", style="bold")
    say(console, f"as of {summary.made_at[:16].replace('T', ' ')} UTC", style="dim")
    for line in summary.waits:
        say(console, f"  {line}")
    _print(console, "Review sets", set_rows(summary))
    _print(console, "Agreement (Krippendorff's alpha)", agreement_rows(summary))
    _print(console, "Mean rating of records drawn at random", quality_rows(summary))
    _print(console, "Conflicts that wait for a decision", conflict_rows(summary))
    _print(console, "Reviewers", reviewer_rows(summary))
    _print(console, "What people's words became", [row for row in output_rows(summary) if row["rows"]])
    _print(console, "Records of which nothing is learned", unusable_rows(summary))
    say(console, set_aside_sentence(summary))
    _print(console, "People's rows that the data checks set aside", set_aside_rows(summary))
    if summary.judge:
        say(console, f"Judge {summary.judge.judge}: {summary.judge.text}")


def _print(console: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for name in rows[0]:
        is_count = any(isinstance(row[name], int | float) for row in rows)
        table.add_column(name, justify="right" if is_count else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell(value))) for value in row.values()))
    console.print(table)
