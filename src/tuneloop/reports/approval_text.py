"""What a person is asked to decide before a model is promoted, in words."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tuneloop.reports.evaluation.verdict import reason_rows
from tuneloop.reports.markdown import code, plain
from tuneloop.results import Round


def question_about(round_: Round, *, version: str, page: Path, until: datetime) -> str:
    """Markdown: what would happen, why the gate let it pass, where the whole report is, and until when one may say.

    Args:
        round_: with the verdict `promote`.
        version: of the registry.
        page: the round's evaluation report.
        until: when the question lapses.
    """
    champion = (
        f"the champion {code(round_.champion.model_hash[:12])}" if round_.champion else "nothing: there is no champion"
    )
    reasons = "\n".join(f"- {row['result']}: {plain(row['in words'])}" for row in reason_rows(round_.verdict))
    return (
        f"## May version {version} of {plain(round_.recipe)} go into production?\n\n"
        f"Round {round_.number}, model {code(round_.candidate.model_hash[:12])}, trained on data "
        f"{code(round_.data.version)}. It would replace {champion}. The gate let it pass:\n\n{reasons}\n\n"
        f"Full report, with answers side by side: {code(str(page))}\n\n"
        f"Approve or decline under Resume, or with {code(f'tuneloop review approve {round_.recipe} --because TEXT')}. "
        f"Without an answer by {until:%Y-%m-%d %H:%M} UTC nothing is promoted; "
        f"{code(f'tuneloop models promote {version} --because TEXT')} still can."
    )
