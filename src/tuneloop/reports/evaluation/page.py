"""The report of one round's evaluation: one HTML page that opens offline, asks nothing of anybody and needs no
JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tuneloop.registry.rounds import rounds_folder
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.plots import draw_forest, draw_parts, slices_of
from tuneloop.reports.evaluation.side_by_side import Shown, SideBySide, read_side_by_side
from tuneloop.reports.evaluation.verdict import DECISIONS, reason_rows, sentence
from tuneloop.reports.figures import data_uri
from tuneloop.reports.html import render, write_page_file
from tuneloop.reports.search import curve_rows, curve_verdict, draw_curve
from tuneloop.reports.training import loss_curve
from tuneloop.results import Round
from tuneloop.results.search import LearningCurve, latest_curve


def page_file(workspace: Path, recipe: str, number: int) -> Path:
    return rounds_folder(workspace, recipe) / f"{number:04d}-evaluation.html"


def write_evaluation_page(
    workspace: Path,
    round_: Round,
    rounds: Sequence[Round],
    shown: Shown,
    *,
    reviewers: int | None = None,
    notices: Sequence[str] = (),
) -> Path:
    """Draw the page of a round; replaces an earlier one of the same round.

    Args:
        workspace: where rounds and learning curves are.
        round_: with its verdict.
        rounds: of the same recipe, oldest first, for the line of scores.
        shown: masks a row's text and cuts it short (`tuneloop.data.masking.shown`).
        reviewers: how many people's answers the feedback holds.
        notices: sentences that a reader must see first, such as a warning of the private test set.
    """
    curve = latest_curve(workspace, round_.recipe)
    text = render_evaluation_page(
        round_,
        rounds,
        read_side_by_side(round_, shown),
        curve=curve[1] if curve else None,
        reviewers=reviewers,
        notices=notices,
    )
    return write_page_file(page_file(workspace, round_.recipe, round_.number), text)


def render_evaluation_page(
    round_: Round,
    rounds: Sequence[Round],
    examples: SideBySide,
    *,
    curve: LearningCurve | None = None,
    reviewers: int | None = None,
    notices: Sequence[str] = (),
) -> str:
    """The page as text. Everything is escaped; `examples` are masked already."""
    return render(
        "evaluation_report.html.j2",
        r=round_,
        examples=examples,
        verdict=sentence(round_.verdict),
        cautions=[*notices, *tables.cautions(round_)],
        reasons=reason_rows(round_.verdict),
        forest=_picture(draw_forest(round_.verdict, tables.lower_metrics(round_.candidate))),
        metrics=tables.metric_rows(round_),
        opinions=tables.opinion_rows(round_),
        history=_history(rounds, tables.main_metric(round_)),
        lineage=tables.lineage_rows(round_, reviewers),
        settings=yaml.safe_dump(round_.settings, sort_keys=False, allow_unicode=True) if round_.settings else "",
        **_slices(round_),
        suites=_suites(round_, examples),
        **_costs(round_, curve),
    )


def _slices(round_: Round) -> dict[str, Any]:
    metric = tables.main_metric(round_)
    rows = tables.slice_rows(round_, metric)
    parts = slices_of(round_, metric, [row["slice"] for row in rows])
    return {
        "main_metric": metric,
        "slices": rows,
        "slice_picture": _picture(draw_parts(parts, metric) if rows else b""),
    }


def _suites(round_: Round, examples: SideBySide) -> list[dict[str, Any]]:
    """Every suite with its categories and what the candidate failed there."""
    categories = tables.category_rows(round_)
    names = dict.fromkeys([*round_.candidate.suites, *categories, *round_.candidate.unmeasured])
    return [
        {
            "title": tables.title_of(name),
            "rows": categories.get(name, []),
            "unmeasured": round_.candidate.unmeasured.get(name, ""),
            "failures": [f for f in examples.failures if f.suite == name],
        }
        for name in names
    ]


def _costs(round_: Round, curve: LearningCurve | None) -> dict[str, Any]:
    training = round_.training
    losses = loss_curve(
        training.losses, "Loss while training", kept_step=training.kept_step, warnings=training.warnings
    )
    return {
        "speeds": tables.speed_rows(round_),
        "costs": tables.cost_rows(round_),
        "price": training.estimate.cost if training.estimate else None,
        "losses": _picture(losses if training.losses else b""),
        "curve": curve_rows(curve) if curve else [],
        "curve_verdict": curve_verdict(curve) if curve else "",
        "curve_picture": _picture(draw_curve(curve) if curve else b""),
    }


def _history(rounds: Sequence[Round], metric: str) -> list[dict[str, Any]]:
    return [
        {
            "round": r.number,
            "verdict": DECISIONS[r.verdict.decision],
            "started": r.started_at[:10],
            "training rows": r.data.rows_train,
            "test rows": r.data.rows_test,
            metric or "score": tables.show(r.candidate.metrics.get(metric)),
        }
        for r in rounds
    ]


def _picture(png: bytes) -> str:
    return data_uri(png) if png else ""
