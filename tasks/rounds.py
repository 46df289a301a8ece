"""Keeping the rounds and drawing their report."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact

from tasks import wiring
from tasks.evaluation_display import show_round
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.reports.figures import data_uri
from tuneloop.reports.rounds import metrics_by_round, write_page
from tuneloop.results import Round


@task(name="report", task_run_name="report round {round_.number}")
def keep_round(round_: Round) -> list[Path]:
    """Save the round and redraw its page and the recipe's; returns their paths."""
    workspace = wiring.workspace()
    save_round(workspace, round_)
    rounds = load_rounds(workspace, round_.recipe)
    warnings = round_.private_test.warnings if round_.private_test else []
    evaluation = show_round(round_, rounds, notices=[*_word_on(round_), *warnings])
    page = write_page(workspace, rounds)
    create_markdown_artifact(
        key=f"rounds-{round_.recipe}",
        markdown=f"## Round {round_.number}: {round_.verdict.decision}\n\n"
        f"![scores by round]({data_uri(metrics_by_round(rounds))})\n\nFull report: `{page}`",
    )
    return [page, evaluation]


def _word_on(round_: Round) -> list[str]:
    """What came of the question whether the model may go into production; not who decided."""
    if round_.approval is None:
        return []
    said = {
        None: "It is not in production: a person has been asked and has not decided yet.",
        "approve": "A person approved it.",
        "decline": "It is not in production: a person declined it.",
        "unanswered": "It is not in production: a person was asked, and nobody decided in time.",
    }
    return [said[round_.approval.decision]]
