"""`tuneloop review approve` and `decline`: a person's word on a model that waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from tuneloop.results import Approval, Round

Recipe = Annotated[
    str | None, typer.Argument(help="A recipe's name or file; needed where there are rounds of several.")
]
Because = Annotated[str, typer.Option(help="The reason, for the audit trail.", show_default=False)]
Number = Annotated[int | None, typer.Option("--round", help="Which round, where several wait.")]


def register(review: typer.Typer) -> None:
    """Add the commands to the group `tuneloop review`."""
    review.command()(approve)
    review.command()(decline)


def approve(recipe: Recipe = None, *, because: Because, number: Number = None) -> None:
    """Let the waiting model go into production, in your name (TUNELOOP_USER, or the user of this machine).

    The suspended run goes on by itself; Resume on Prefect's page asks the same question.
    """
    _decide("approve", recipe, because, number)


def decline(recipe: Recipe = None, *, because: Because, number: Number = None) -> None:
    """Keep the champion. The waiting model stays a candidate; `tuneloop models promote` can still change that."""
    _decide("decline", recipe, because, number)


def _decide(decision: Literal["approve", "decline"], recipe: str | None, because: str, number: int | None) -> None:
    from tuneloop.cli.registered_models import recipe_named, this_person
    from tuneloop.cli.wiring import prefect_api
    from tuneloop.registry.rounds import load_rounds
    from tuneloop.settings import Settings

    settings = Settings()
    name = recipe_named(recipe, settings.workspace_path)
    round_, approval = _the_waiting(load_rounds(settings.workspace_path, name), name, number)
    answer = {"decision": decision, "by": this_person(), "because": because}
    prefect_api(settings).resume_flow_run(approval.flow_run_id, answer)
    typer.echo(f"round {round_.number} of {name}: {decision}; its run goes on when a worker is free")


def _the_waiting(rounds: list[Round], recipe: str, number: int | None) -> tuple[Round, Approval]:
    from tuneloop.errors import DataError

    waiting = [(r, r.approval) for r in rounds if r.approval and r.approval.decision is None and not r.complete]
    found = [pair for pair in waiting if number in {None, pair[0].number}]
    if len(found) == 1:
        return found[0]
    if not found:
        raise DataError(f"no {'such ' if number else ''}round of {recipe} waits for a person; see `tuneloop report`")
    raise DataError(f"rounds {', '.join(str(r.number) for r, _ in found)} of {recipe} wait: say --round N")
