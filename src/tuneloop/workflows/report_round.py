"""Report on a round: save what is known of it, and draw its pages anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tuneloop.data.masking import shown
from tuneloop.data.snapshots import load_manifest
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.reports.evaluation.page import write_evaluation_page
from tuneloop.reports.model_card import write_model_card
from tuneloop.reports.rounds import write_page
from tuneloop.results import Round
from tuneloop.review.collecting import RESPONSES
from tuneloop.review.rows import read_rows
from tuneloop.training.base_models import origin_of
from tuneloop.workspaces import base_models

SHOWN_CHARACTERS = 600
"""Of a prompt or an answer, masked; the data report shows less, but here answers are to be compared."""


@dataclass(frozen=True, slots=True)
class RoundPages:
    """Pages that were drawn: of all rounds of the recipe (`rounds`, oldest first), and of the newest's evaluation."""

    overview: Path
    evaluation: Path
    rounds: Sequence[Round]


def save_and_report(workspace: Path, round_: Round) -> RoundPages:
    """Save the round, and redraw its page, with answers masked, and the recipe's."""
    save_round(workspace, round_)
    rounds = load_rounds(workspace, round_.recipe)
    warnings = round_.private_test.warnings if round_.private_test else []
    evaluation = write_evaluation_page(
        workspace,
        round_,
        rounds,
        partial(shown, characters=SHOWN_CHARACTERS),
        reviewers=reviewers_of(Path(round_.feedback.folder)) if round_.feedback else None,
        notices=[*approval_notices(round_), *warnings],
    )
    return RoundPages(write_page(workspace, rounds), evaluation, rounds)


def write_card(workspace: Path, round_: Round, base: Path) -> Path:
    """Write the round's model card, with what is known of the base and the data; `base` is from `prepare_base`."""
    origin = origin_of(base, base_models(workspace))
    known = {"licence": origin.licence, "base": origin.base, "base_revision": origin.revision} if origin else {}
    return write_model_card(workspace, round_, manifest=load_manifest(Path(round_.data.folder)), **known)


def reviewers_of(folder: Path) -> int:
    """Count the reviewers whose responses the feedback holds."""
    submitted = (row for row in read_rows(folder / RESPONSES) if row.get("status", "submitted") == "submitted")
    return len({row["reviewer"] for row in submitted if row.get("reviewer")})


def approval_notices(round_: Round) -> list[str]:
    """Say what was decided on whether the model may go into production; not who decided."""
    if round_.approval is None:
        return []
    notices = {
        None: "It is not in production: a person has been asked and has not decided yet.",
        "approve": "A person approved it.",
        "decline": "It is not in production: a person declined it.",
        "unanswered": "It is not in production: a person was asked and did not decide in time.",
    }
    return [notices[round_.approval.decision]]
