"""Gather judgments on a candidate: those of reviewers, and of a judge where the recipe names one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from tuneloop.evaluation.judge.judgments import form_judgment, try_judge
from tuneloop.evaluation.judge.pairs import HumanPair, human_pairs, read_pairs
from tuneloop.evaluation.people import people_on
from tuneloop.ports import Completer
from tuneloop.recipes import Judge, Recipe
from tuneloop.results import EvaluationReport, JudgeAgreement, Opinion
from tuneloop.review.agreement import keep_judge_agreement
from tuneloop.review.collecting import COMPARISONS, PREFERENCES, RATINGS
from tuneloop.review.rows import read_rows
from tuneloop.workspaces import feedback_folder

Against = Literal["base", "champion"]
_log = logging.getLogger(__name__)


def judgments_on(
    recipe: Recipe,
    candidate: EvaluationReport,
    base: EvaluationReport,
    champion: EvaluationReport | None,
    *,
    workspace: Path,
    make_judge: Callable[[Judge], Completer],
) -> list[Opinion]:
    """Gather what there is against the champion, or the base while there is none.

    A judge's verdicts are kept: asking again is free.
    """
    against: Against = "champion" if champion else "base"
    reference = champion or base
    out = Path(candidate.scores).parent / "opinions" / reference.model_hash[:12]
    folder = feedback_folder(workspace, recipe.name)
    found = people_on(
        read_rows(folder / RATINGS),
        read_rows(folder / COMPARISONS),
        candidate_hash=candidate.model_hash,
        reference_hash=reference.model_hash,
        against=against,
        out=out,
    )
    config = recipe.evaluation.judge
    if config is not None and candidate.model_hash != reference.model_hash:
        judge = make_judge(config)
        found.append(_judged(judge, recipe, config, candidate, reference, against, out, workspace=workspace))
    return found


def _judged(
    judge: Completer,
    recipe: Recipe,
    config: Judge,
    candidate: EvaluationReport,
    reference: EvaluationReport,
    against: Against,
    out: Path,
    *,
    workspace: Path,
) -> Opinion:
    """Try the judge on what people have decided before it is asked about anything new."""
    folder, cache = feedback_folder(workspace, recipe.name), workspace / "judgements"
    agreement = try_judge(
        judge,
        _decided_by_people(folder),
        criteria=config.criteria,
        min_kappa=config.min_kappa,
        cache=cache,
        confidence=recipe.evaluation.confidence,
    )
    _log.info("%s", agreement.text)
    keep_judge_agreement(
        folder,
        JudgeAgreement(
            judge=config.model,
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
            kappa=agreement.kappa,
            weighted=agreement.weighted,
            pairs=agreement.pairs,
            may_count=agreement.may_count,
            text=agreement.text,
        ),
    )
    return form_judgment(
        judge,
        read_pairs(candidate, reference, max_rows=config.max_rows),
        agreement=agreement,
        criteria=config.criteria,
        against=against,
        cache=cache,
        file=out / "judge_preference.parquet",
    )


def _decided_by_people(folder: Path) -> list[HumanPair]:
    return human_pairs(*(read_rows(folder / name) for name in (PREFERENCES, RATINGS, COMPARISONS)))
