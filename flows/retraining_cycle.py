"""One cycle of the loop: feedback -> data -> training -> evaluation -> gate -> registry -> review.

Safe to run at any time: a step whose inputs have not changed is taken from the cache, a round that was cut off goes on
where it stopped, and when nothing is new the run ends without training.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from tasks import wiring
from tasks.approval import decline, is_ours, promote, still_waits, with_approval
from tasks.collecting import collect_feedback, refresh_review
from tasks.data import data_version
from tasks.evaluation import evaluation_of, gate, private_score
from tasks.judgments import judgments_on
from tasks.publishing import publish_data_sample, publish_round_sets
from tasks.registry import champion_of, keep_round, lost, register
from tasks.runs import only_attempt
from tasks.training import base_model, served_of, trained_model
from tuneloop.files import file_digests
from tuneloop.recipes import Recipe
from tuneloop.registry.environment import environment_of
from tuneloop.registry.known_rounds import note_recipe
from tuneloop.registry.rounds import begin_round, find_round, load_rounds, one_cycle_at_a_time, served_by
from tuneloop.registry.sealed_folders import seal_folders
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import DataReport, FeedbackReport, Round
from tuneloop.training.base_models import folder_hash
from tuneloop.training.export.served import artefact_hash, require_engine
from tuneloop.training.identity import training_key
from tuneloop.workflows.approve import asked_rounds
from tuneloop.workflows.report_round import write_card
from tuneloop.workflows.review_sets.prompts import check_review
from tuneloop.workflows.train import start_of

Trigger = Literal["manual", "schedule", "drift", "feedback"]


@flow(name="retraining-cycle", flow_run_name="{recipe} ({trigger})")
def retraining_cycle(recipe: str = "deployments/recipes/support-desk.yaml", trigger: Trigger = "manual") -> None:
    """Turn the loop once.

    Args:
        recipe: Path of the recipe under the project's root.
        trigger: What started this run; kept in the round's record.
    """
    spec = wiring.recipe_at(recipe)
    note_recipe(wiring.workspace(), spec.name, recipe)
    # A run that is suspended leaves this block: nobody else's turn waits for a person.
    with only_attempt(), one_cycle_at_a_time(wiring.workspace(), spec.name):
        turn(spec, recipe, trigger)


def turn(spec: Recipe, recipe: str, trigger: Trigger) -> None:
    """Collect and validate; train only what has not been trained; finish what was cut off or has been decided."""
    require_engine(spec.evaluation.artefact)
    champion_of(spec.name)  # a registry that says something else than the audit trail is told before hours of work
    base = base_model(spec.model)
    check_review(spec, wiring.settings().root)
    for asked in asked_rounds(wiring.workspace(), spec.name):
        if not still_waits(asked):
            finish(spec, recipe, base, asked)
        if is_ours(asked):
            return  # resumed for this decision alone
    feedback = collect_feedback(spec)
    if (judged := judged_again(spec)) is not None:
        finish(spec, recipe, base, judged)
    data = data_version(spec, Path(base))
    publish_data_sample(spec, data)
    key = training_key(spec, folder_hash(Path(base)), data.version)
    round_ = find_round(load_rounds(wiring.workspace(), spec.name), training_key=key)
    if round_ is not None and round_.complete and (gone := lost(round_)):
        round_ = None if gone == "model" else round_.model_copy(update={"complete": False})
    if round_ is None:
        round_ = train_and_judge(spec, trigger, base, data, feedback)
    elif round_.complete:
        get_run_logger().info("nothing new: data %s is trained and judged already", data.version)
        return
    elif still_waits(round_):
        get_run_logger().info("round %s waits for a person: `tuneloop review approve`", round_.number)
        return
    finish(spec, recipe, base, round_)


def train_and_judge(spec: Recipe, trigger: Trigger, base: str, data: DataReport, feedback: FeedbackReport) -> Round:
    """A new round up to its verdict. Champion and base are measured on the same rows as the candidate."""
    champion = champion_of(spec.name)
    start = start_of(spec, champion, folder_hash(Path(base)))
    training = trained_model(spec, data, Path(base), start)
    base_scores = evaluation_of(spec, data, "base", base, training.base_hash)
    served_path, served_hash = served_of(spec, training)
    candidate = evaluation_of(spec, data, "candidate", served_path, served_hash)
    champion_scores = evaluation_of(spec, data, "champion", *served_by(champion)) if champion else None
    judgments = judgments_on(spec, candidate, base_scores, champion_scores)
    round_ = begin_round(
        wiring.workspace(),
        recipe=spec.name,
        training_key=training_key(spec, training.base_hash, data.version),
        trigger=trigger,
        flow_run_id=flow_run.get_id(),
        data=data,
        feedback=feedback,
        training=training,
        served_path=served_path,
        base=base_scores,
        champion=champion_scores,
        candidate=candidate,
        opinions=judgments,
        verdict=gate(spec, data, training, served_hash, candidate, base_scores, champion_scores, judgments),
        settings=spec.model_dump(mode="json"),
        environment=environment_of(wiring.settings().root),
    )
    keep_round(round_)
    return round_


def judged_again(spec: Recipe) -> Round | None:
    """The newest round, if it waited for people, with what they have said since; None where nothing waits or all does.

    It comes before new data is trained on, which would leave it undecided for ever.
    """
    rounds = load_rounds(wiring.workspace(), spec.name)
    if not rounds or not rounds[-1].complete or rounds[-1].verdict.decision != "needs_review":
        return None
    round_ = rounds[-1]
    judgments = judgments_on(spec, round_.candidate, round_.base, round_.champion)
    scores = round_.candidate, round_.base, round_.champion
    verdict = gate(spec, round_.data, round_.training, round_.candidate.model_hash, *scores, judgments)
    if verdict.decision == "needs_review":
        return None
    return round_.model_copy(update={"opinions": judgments, "verdict": verdict, "complete": False})


def finish(spec: Recipe, recipe: str, base: str, round_: Round) -> None:
    """Seal, register, promote, put before people. Each step is idempotent: a round that was cut off is simply
    finished."""
    key = signing_key(wiring.workspace())
    round_ = seal_folders(round_, key=key, digests_of=file_digests, hash_of=artefact_hash)
    pages = [*keep_round(round_), write_card(wiring.workspace(), round_, Path(base))]
    run_id, version = register(spec, round_, [*map(str, pages), str(wiring.settings().root / recipe)])
    private_test = None
    if round_.verdict.decision == "promote" and (spec.review.approval or round_.approval):
        round_ = with_approval(round_, version)  # ends the run here while nobody has decided
    word = round_.approval
    if round_.verdict.decision == "promote" and (word is None or word.decision == "approve"):
        private_test = private_score(spec, round_)
        promote(spec.name, version, word)
    elif word is not None and word.decision == "decline":
        decline(spec.name, version, round_.verdict, word)
    reviews = publish_round_sets(spec, round_, base)
    refresh_review(spec)
    done = {"complete": True, "model_version": version, "mlflow_run_id": run_id}
    keep_round(round_.model_copy(update={**done, "reviews": reviews, "private_test": private_test}))
