"""What people who reviewed, and a judge where the recipe names one, think of a candidate."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from tasks import wiring
from tuneloop.evaluation.judge.human_pairs import HumanPair, human_pairs
from tuneloop.evaluation.judge.opinions import form_opinion, try_judge
from tuneloop.evaluation.judge.pairs import read_pairs
from tuneloop.evaluation.people import people_on
from tuneloop.recipes import Judge, Recipe
from tuneloop.results import EvaluationReport, JudgeAgreement, Opinion
from tuneloop.review.agreement import keep_judge_agreement
from tuneloop.review.collecting import COMPARISONS, PREFERENCES, RATINGS
from tuneloop.review.rows import read_rows


@task(name="ask for opinions", task_run_name="opinions {recipe.name}", retries=2, retry_delay_seconds=30)
def opinions_on(
    recipe: Recipe, candidate: EvaluationReport, base: EvaluationReport, champion: EvaluationReport | None
) -> list[Opinion]:
    """Against the champion, or the base while there is none. A judge's verdicts are kept: asking again is free."""
    against: Literal["base", "champion"] = "champion" if champion else "base"
    reference = champion or base
    out = Path(candidate.scores).parent / "opinions" / reference.model_hash[:12]
    folder = wiring.feedback_folder(recipe.name)
    found = people_on(
        read_rows(folder / RATINGS),
        read_rows(folder / COMPARISONS),
        candidate_hash=candidate.model_hash,
        reference_hash=reference.model_hash,
        against=against,
        out=out,
    )
    if recipe.evaluation.judge is not None and candidate.model_hash != reference.model_hash:
        found.append(_judged(recipe, recipe.evaluation.judge, candidate, reference, against, out))
    _show(recipe.name, found)
    return found


def _judged(
    recipe: Recipe,
    config: Judge,
    candidate: EvaluationReport,
    reference: EvaluationReport,
    against: Literal["base", "champion"],
    out: Path,
) -> Opinion:
    """The judge is tried on what people have decided before it is asked about anything new."""
    judge, cache = wiring.judge(config), wiring.workspace() / "judgements"
    agreement = try_judge(
        judge,
        _decided_by_people(recipe.name),
        criteria=config.criteria,
        min_kappa=config.min_kappa,
        cache=cache,
        confidence=recipe.evaluation.confidence,
    )
    get_run_logger().info("%s", agreement.text)
    keep_judge_agreement(
        wiring.feedback_folder(recipe.name),
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
    return form_opinion(
        judge,
        read_pairs(candidate, reference, max_rows=config.max_rows),
        agreement=agreement,
        criteria=config.criteria,
        against=against,
        cache=cache,
        file=out / "judge_preference.parquet",
    )


def _decided_by_people(recipe: str) -> list[HumanPair]:
    folder = wiring.feedback_folder(recipe)
    return human_pairs(*(read_rows(folder / name) for name in (PREFERENCES, RATINGS, COMPARISONS)))


def _show(recipe: str, opinions: list[Opinion]) -> None:
    if opinions:
        told = "\n".join(f"- **{o.metric}** against the {o.against}: {o.text}" for o in opinions)
        create_markdown_artifact(key=f"opinions-{recipe}", markdown=f"## Opinions\n\n{told}")
