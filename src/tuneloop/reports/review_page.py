"""The review report: one HTML page that opens offline, asks nothing of anybody and needs no JavaScript."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from tuneloop.reports import review_tables as tables
from tuneloop.reports.html import render, write_page_file
from tuneloop.reports.review_plots import draw_agreement, draw_ratings, draw_reliability, draw_times
from tuneloop.reports.rounds_plots import data_uri
from tuneloop.results import ReviewSummary

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
        headline=tables.headline(summary),
        sets=tables.set_rows(summary),
        agreement=tables.agreement_rows(summary),
        reviewers=tables.reviewer_rows(summary),
        quality=tables.quality_rows(summary),
        outputs=tables.output_rows(summary),
        unusable=tables.unusable_rows(summary),
        conflicts=tables.conflict_rows(summary),
        set_aside=tables.set_aside_rows(summary),
        set_aside_sentence=tables.set_aside_sentence(summary),
        issues=tables.counted_rows(summary.issues, "issue"),
        discards=tables.counted_rows(summary.discards, "reason"),
        **{name: data_uri(png) if png else "" for name, png in pictures.items()},
    )
