"""Asking people, and collecting what they said."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from tasks import wiring
from tasks.checks import show_feedback_checks
from tuneloop.data.snapshots import load_rows, splits_in
from tuneloop.drift.traffic import read_since
from tuneloop.evaluation.generation import generate_answers
from tuneloop.ports import ReviewItem
from tuneloop.recipes import Recipe
from tuneloop.records import Message
from tuneloop.results import FeedbackReport, ReviewReport
from tuneloop.review.accepting import accept_from_traffic
from tuneloop.review.collecting import collect
from tuneloop.review.review_sets import AskedLedger, choose_items, may_be_asked, prompt_hash

DEFAULT_GUIDELINES = "Rate each answer, and correct it where you would have written something else."


@task(name="collect feedback", task_run_name="collect {recipe.name}", retries=3, retry_delay_seconds=5)
def collect_feedback(recipe: Recipe) -> FeedbackReport:
    """Responses from Argilla and answers edited in production become rows, each exactly once."""
    folder = wiring.feedback_folder(recipe.name)
    answers = wiring.review_desk().answers(f"{recipe.name}-round-") if recipe.review.enabled else []
    report = collect(answers, folder=folder)
    if report.new_responses:
        show_feedback_checks(recipe, answers)
    accepted = accept_from_traffic(map(asdict, read_since(wiring.traffic_file(recipe.name))), folder=folder)
    issues = "".join(f"| {tag} | {count} |\n" for tag, count in sorted(report.issues.items()))
    counts = f"{report.responses} responses ({report.new_responses} new), {report.corrections} corrections"
    create_markdown_artifact(
        key=f"feedback-{recipe.name}",
        markdown=f"{counts}, mean rating {report.mean_rating}, {accepted} answers edited in production\n\n"
        f"| issue | times |\n|---|---:|\n{issues}",
    )
    return report


@task(name="publish review set", task_run_name="publish {name}", retries=3, retry_delay_seconds=5)
def publish_review(recipe: Recipe, name: str, model: str, model_hash: str, test_file: str) -> ReviewReport | None:
    """Put the answers of the model in production to prompts nobody has judged yet before people; None: no prompts."""
    ledger = AskedLedger(wiring.feedback_folder(recipe.name) / "asked.jsonl")
    folder = Path(test_file).parent
    held = [split for split in splits_in(folder) if split in {"test", "private"}]
    tests = [row.prompt for split in held for row in load_rows(folder / f"{split}.parquet")]
    waiting = _waiting_prompts(recipe)
    open_positions = may_be_asked(waiting, review_set=name, test_prompts=tests, ledger=ledger)
    prompts = [waiting[position] for position in open_positions[: recipe.review.max_records]]
    if not prompts:
        return None
    chosen = choose_items(
        _answered(recipe, prompts, model, model_hash),
        review_set=name,
        count=recipe.review.max_records,
        test_prompts=tests,
        ledger=ledger,
        seed=recipe.training.seed,
    )
    guidelines = recipe.review.guidelines
    url = wiring.review_desk().publish(
        name,
        chosen,
        guidelines=(wiring.settings().root / guidelines).read_text("utf-8") if guidelines else DEFAULT_GUIDELINES,
        issue_tags=recipe.review.issue_tags,
        min_submitted=recipe.review.min_submitted,
    )
    create_link_artifact(url, link_text=f"{len(chosen)} answers to review", key=f"review-{recipe.name}")
    return ReviewReport(review_set=name, url=url, records=len(chosen))


def _waiting_prompts(recipe: Recipe) -> list[str]:
    """Newest production traffic first, then the recipe's own list of new prompts."""
    traffic = [row.prompt for row in reversed(read_since(wiring.traffic_file(recipe.name))) if row.sent is None]
    if recipe.review.prompts is None:
        return traffic
    lines = (wiring.settings().root / recipe.review.prompts).read_text("utf-8").splitlines()
    return traffic + [json.loads(line)["prompt"] for line in lines if line.strip()]


def _answered(recipe: Recipe, prompts: list[str], model: str, model_hash: str) -> list[ReviewItem]:
    here = wiring.settings()
    generation = generate_answers(
        model=Path(model),
        model_hash=model_hash,
        prompts=[[Message("user", prompt)] for prompt in prompts],
        system_prompt=recipe.model.system_prompt,
        max_new_tokens=recipe.evaluation.max_new_tokens,
        batch_size=recipe.evaluation.batch_size,
        cache=here.workspace_path / "generations",
        threads=here.threads,
    )
    return [
        ReviewItem(
            id=prompt_hash(prompt)[:16],
            prompt=prompt,
            answer=answer,
            model=model_hash[:12],
            scores={"answer_words": float(len(answer.split()))},
        )
        for prompt, answer in zip(prompts, generation.answers, strict=True)
    ]
