"""`tuneloop review invite`, `people` and `remove`: who reviews, and in which team."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tuneloop.adapters.argilla.teams import Invitation, Person, Removal
    from tuneloop.cli.wiring import ArgillaServer

Username = Annotated[str, typer.Argument(metavar="NAME", help="The user name in Argilla.")]
Team = Annotated[str, typer.Option("--team", help="The team, as in the recipe's `review: {team: ...}`.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON for other programs.")]
Force = Annotated[bool, typer.Option("--force", help="Print it although the output is not a terminal.")]
DEFAULT_TEAM = "tuneloop"


def register(review_app: typer.Typer) -> None:
    for command in (invite, people, remove):
        review_app.command()(command)


def invite(
    name: Username,
    *,
    team: Team = DEFAULT_TEAM,
    new_password: Annotated[
        bool, typer.Option("--new-password", help="Give an account that is there a new password.")
    ] = False,
    as_json: AsJson = False,
    force: Force = False,
) -> None:
    """Make an account for a reviewer, let it into a team, and show its password, once.

    An account that is there is let into the team and keeps its password, unless you ask for a new one: that ends the
    sessions and the API key which the old one opened. Somebody who was taken out of a team comes back the same way.
    """
    from tuneloop.adapters.argilla.teams import invite as invite_to
    from tuneloop.cli.wiring import argilla_server
    from tuneloop.settings import Settings

    _for_a_person("a password", force=force)
    server = argilla_server(Settings())
    invitation = invite_to(server.url, server.api_key, name, team, new_password=new_password)
    typer.echo(json.dumps(_told(invitation, server), indent=2) if as_json else _letter(invitation, server))


def _told(invitation: Invitation, server: ArgillaServer) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(invitation) | {"url": server.public_url}


def _letter(invitation: Invitation, server: ArgillaServer) -> str:
    name, team = invitation.username, invitation.team
    again = f"tuneloop review invite {name} --team {team} --new-password"
    if invitation.password is None:
        return (
            f"{name} had an account already and is in team {team} now.\nIs the password lost? `{again}` makes another."
        )
    account = "has an account now and is" if invitation.new_account else "has a new password and is"
    return (
        f"{name} {account} in team {team}. Hand this over; it is shown only now:\n\n"
        f"  address    {server.public_url}\n  user name  {name}\n  password   {invitation.password}\n\n"
        f"First steps for {name}: open the address, sign in, open the newest data set, and read the guidelines at the\n"
        "bottom of the page. Everything that waits for an answer is under Pending.\n\n"
        f"{'' if invitation.new_account else _what_ended(name, revoked=invitation.revoked)}"
        f"Is the password lost? `{again}` makes another."
    )


def _what_ended(name: str, *, revoked: bool) -> str:
    if revoked:
        return f"{name}'s sessions and API key of before have ended.\n\n"
    return (
        f"This Argilla keeps sessions of {name}'s that are open now (for a day at most) and their API key, which it\n"
        "cannot change: see `When somebody leaves` in docs/argilla-production.md.\n\n"
    )


def people(*, as_json: AsJson = False, force: Force = False) -> None:
    """List teams and people, with the pseudonyms that reviewed rows carry.

    So a lead can go from a row's lineage to the person who wrote it. Names stay on this terminal: no log, report or
    row holds them.
    """
    from tuneloop.adapters.argilla.teams import people as people_on
    from tuneloop.adapters.argilla.teams import pseudonym
    from tuneloop.cli.wiring import argilla_server
    from tuneloop.pseudonyms import pseudonym_key
    from tuneloop.settings import Settings

    _for_a_person("people's names", force=force)
    settings = Settings()
    server = argilla_server(settings)
    key = pseudonym_key(settings.workspace_path)
    found = people_on(server.url, server.api_key, lambda user_id: pseudonym(key, user_id))
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps([asdict(person) for person in found], indent=2))
        return
    from tuneloop.cli.models_display import print_table

    print_table(f"Reviewers at {server.public_url}", [_line(person) for person in found])
    if all(person.state == "owner" for person in found):
        typer.echo("Nobody reviews yet: `tuneloop review invite NAME` makes an account")


def _line(person: Person) -> dict[str, str]:
    team = person.team or ("every team" if person.state == "owner" else "-")
    names = {"team": team, "name": person.username, "in it as": person.state}
    return names | {"role": person.role, "pseudonym": person.reviewer}


def remove(name: Username, *, team: Team = DEFAULT_TEAM, as_json: AsJson = False) -> None:
    """Take somebody out of a team. What they answered stays, and so does their account.

    They see none of the team's sets from then on, and their sessions and API key end, so that in other teams they need
    a new password. No recipe lets them in again, whether it names them or is open to every user; an invitation does.
    Do not delete accounts in Argilla: that deletes their answers.
    """
    from tuneloop.adapters.argilla.teams import remove as remove_from
    from tuneloop.cli.wiring import argilla_server
    from tuneloop.settings import Settings

    server = argilla_server(Settings())
    removal = remove_from(server.url, server.api_key, name, team)
    if as_json:
        from dataclasses import asdict

        typer.echo(json.dumps({"username": name, "team": team} | asdict(removal)))
    elif removal.removed:
        typer.echo(_farewell(name, team, removal))
    else:
        typer.echo(f"{name} was not in team {team}, and will not be let in without an invitation")


def _farewell(name: str, team: str, removal: Removal) -> str:
    lines = [f"{name} is no longer in team {team}; every answer is kept. Back again: `tuneloop review invite {name}`"]
    if removal.other_teams and removal.revoked is not None:
        new = f"tuneloop review invite {name} --team {removal.other_teams[0]} --new-password"
        lines.append(f"{name} is still in {', '.join(removal.other_teams)}, and needs a new password there: `{new}`")
    if removal.revoked is not None:
        lines.append(_what_ended(name, revoked=removal.revoked).strip())
    return "\n".join(lines)


def _for_a_person(what: str, *, force: bool) -> None:
    from tuneloop.errors import ServiceError

    if not force and not sys.stdout.isatty():
        raise ServiceError(
            f"the output is not a terminal, so that {what} would end in a file or another program: "
            "add --force if that is what you want"
        )
