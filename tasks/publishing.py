"""Putting answers before people."""

from __future__ import annotations

import json
from pathlib import Path

from prefect import task
from prefect.artifacts import create_link_artifact

from tasks import wiring
from tuneloop.data.snapshots import load_rows, splits_in
from tuneloop.drift.traffic import read_since
from tuneloop.evaluation.generation import generate_answers
from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.recipes import Recipe
from tuneloop.records import Message
from tuneloop.results import ReviewReport
from tuneloop.review.review_sets import AskedLedger, choose_items, may_be_asked, prompt_hash

DEFAULT_GUIDELINES = "Rate each answer, and correct it where you would have written something else."


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
    url = wiring.review_desk(recipe).publish(name, chosen, _form(recipe))
    create_link_artifact(url, link_text=f"{len(chosen)} answers to review", key=f"review-{recipe.name}")
    return ReviewReport(review_set=name, url=url, records=len(chosen))


def _form(recipe: Recipe) -> ReviewForm:
    guidelines = recipe.review.guidelines
    return ReviewForm(
        (wiring.settings().root / guidelines).read_text("utf-8") if guidelines else DEFAULT_GUIDELINES,
        issue_tags=recipe.review.issue_tags,
        dimensions=recipe.review.dimensions,
        min_submitted=recipe.review.min_submitted,
        text_format=recipe.review.text_format,
    )


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
