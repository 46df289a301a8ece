"""Teams of reviewers: an Argilla workspace each, with a second one for adjudication.

A third one, which never holds a review set, remembers who was taken out of the team. Without it, a team that is open to
every user of the server would let them in again.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from tuneloop.adapters.argilla.connection import Json, connect, items_at, service
from tuneloop.errors import ServiceError

log = logging.getLogger(__name__)

TEAM = "tuneloop"
ADJUDICATION, LEFT = "-adjudication", "-left"
_SIGNS, _PASSWORD_GROUPS, _GROUP = "abcdefghjkmnpqrstuvwxyz23456789", 4, 4  # none that looks like another
State = Literal["member", "adjudicator", "left", "owner", "in no team"]


@dataclass(frozen=True, slots=True)
class Person:
    """A user of the server as a lead sees them; `reviewer` is the pseudonym that answers carry. Never to be logged."""

    team: str
    state: State
    username: str
    role: str
    reviewer: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """`password` is None where the account was there already and keeps the one it has.

    `revoked`: with a new password, the server ended the account's sessions and its API key. Only our own server does.
    """

    username: str
    team: str
    password: str | None
    new_account: bool
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """`other_teams`: where the person still is, and cannot sign in without a new password.

    `revoked` is as above, and None where nothing had to end: for an owner, and who was not in the team.
    """

    removed: bool
    revoked: bool | None = None
    other_teams: tuple[str, ...] = ()


def pseudonym(key: bytes, user_id: str) -> str:
    """The reviewer id of a user: the same for ever under one key, and no way back without it."""
    return "reviewer-" + hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()[:12]


def workspaces(http: httpx.Client) -> dict[str, str]:
    """Names and ids of all workspaces that the key's owner sees."""
    return {space["name"]: space["id"] for space in items_at(http, "me/workspaces")}


def ensure_workspace(http: httpx.Client, name: str) -> str:
    """Id of the workspace, which is created if it is not there."""
    found = workspaces(http).get(name)
    if found is None:
        found = http.post("workspaces", json={"name": name}).raise_for_status().json()["id"]
    return str(found)


def let_in(http: httpx.Client, team: str, usernames: Sequence[str]) -> str:
    """The team's workspace, made if need be, with these users as members; with every user where none is named.

    Nobody is put out, and who was taken out of the team (`remove`) is not let in again: that takes an invitation.

    Raises:
        ServiceError: accounts are named, and none of them is there.
    """
    users = _stayed(http, team)
    wanted = _named(users, usernames, team) if usernames else [u for u in users if u["role"] != "owner"]
    return _with_members(http, _checked(team), wanted)  # owners see every workspace anyhow


def let_adjudicate(http: httpx.Client, team: str, usernames: Sequence[str]) -> str:
    """The workspace of the team's adjudication sets; with no names, only owners see it."""
    wanted = _named(_stayed(http, team), usernames, team) if usernames else []
    return _with_members(http, _checked(team) + ADJUDICATION, wanted)


def invite(url: str, api_key: str, username: str, team: str, *, new_password: bool = False) -> Invitation:
    """Make the account if it is not there, and let it into the team.

    With `new_password`, an account that is there gets a new one; the old one is of no use from then on. So does one
    that was taken out of its last team: `remove` left it without.

    Raises:
        ServiceError: a new password is asked for an owner's account, or the server is not there or refuses us.
    """
    _checked(team)
    with service(url), connect(url, api_key) as http:
        user = _user(http, username)
        if user is not None and user["role"] == "owner" and new_password:
            raise ServiceError(f"{username!r} is an owner, whose password is not changed here; see `tuneloop secrets`")
        is_new, revoked = user is None, False
        password = _new_password() if user is None or new_password or _is_out(http, user) else None
        if user is None:
            user = _create(http, username, password or "")
        elif password:
            revoked = _change_password(http, user, password)
        _with_members(http, team, [user])
        _take_out(http, workspaces(http).get(team + LEFT), user)
    return Invitation(username, team, password, new_account=is_new, revoked=revoked)


def remove(url: str, api_key: str, username: str, team: str) -> Removal:
    """Take somebody out of the team and its adjudication, and end their sessions; what they answered stays.

    Their password is replaced by one that is told to no one, because that is what ends sessions and API key. An owner
    keeps theirs: they see every team, and the loop works with their key.

    Raises:
        ServiceError: there is no such account or team, or the server is not there or refuses us.
    """
    with service(url), connect(url, api_key) as http:
        user, spaces = _user(http, username), workspaces(http)
        if user is None or team not in spaces:
            wrong = f"account {username!r}" if user is None else f"team {team!r}"
            raise ServiceError(f"Argilla has no {wrong}: `tuneloop review people` lists what there is")
        _with_members(http, team + LEFT, [user])  # first, so that a kill after this line does not let them in again
        places = [spaces.get(team + ending) for ending in ("", ADJUDICATION)]
        if not any(_is_in(http, place, user) for place in places):
            return Removal(removed=False)
        # Before they are taken out: killed between the two, the same command does both again.
        revoked = None if user["role"] == "owner" else _change_password(http, user, _new_password())
        for place in places:
            _take_out(http, place, user)
        others = sorted({_team_and_state(name)[0] for name in _memberships(http, user) if not name.endswith(LEFT)})
    return Removal(removed=True, revoked=revoked, other_teams=tuple(others))


def people(url: str, api_key: str, pseudonym_of: Callable[[str], str]) -> list[Person]:
    """Everybody on the server, by team and name; owners, and accounts in no team, come last.

    Raises:
        ServiceError: the server is not there or refuses us.
    """
    with service(url), connect(url, api_key) as http:
        found = [
            Person(*_team_and_state(name), *_known(user, pseudonym_of))
            for name, space in workspaces(http).items()
            for user in _members(http, space)
        ]
        inside = {person.username for person in found}
        for user in items_at(http, "users"):
            if user["role"] == "owner" or user["username"] not in inside:
                state: State = "owner" if user["role"] == "owner" else "in no team"
                found.append(Person("", state, *_known(user, pseudonym_of)))
    return sorted(found, key=lambda person: (not person.team, person.team, person.state, person.username))


def ensure_annotator(url: str, owner_api_key: str, username: str, password: str, *, team: str = TEAM) -> str:
    """The API key of the annotator's account, which is created (and let into the team) if it is not there.

    The password counts only when the account is created.

    Raises:
        ServiceError: the server is not there or refuses us.
    """
    with service(url), connect(url, owner_api_key) as http:
        user = _user(http, username) or _create(http, username, password)
        _with_members(http, team, [user])
    return str(user["api_key"])


def members_of(http: httpx.Client, workspace: str, *, or_owners: bool = False) -> list[Json]:
    """The users that a workspace's records wait for: its members; owners where `or_owners` and there are none."""
    inside = _members(http, workspace)
    if inside or not or_owners:
        return inside
    return [user for user in items_at(http, "users") if user["role"] == "owner"]


def _team_and_state(workspace: str) -> tuple[str, State]:
    if workspace.endswith(ADJUDICATION):
        return workspace.removesuffix(ADJUDICATION), "adjudicator"
    if workspace.endswith(LEFT):
        return workspace.removesuffix(LEFT), "left"
    return workspace, "member"


def _known(user: Json, pseudonym_of: Callable[[str], str]) -> tuple[str, str, str]:
    return user["username"], user["role"], pseudonym_of(user["id"])


def _user(http: httpx.Client, username: str) -> Json | None:
    return next((user for user in items_at(http, "users") if user["username"] == username), None)


def _new_password() -> str:
    """79 bits that can be read out over the telephone."""
    groups = ["".join(secrets.choice(_SIGNS) for _ in range(_GROUP)) for _ in range(_PASSWORD_GROUPS)]
    return "-".join(groups)


def _create(http: httpx.Client, username: str, password: str) -> Json:
    account = {"username": username, "first_name": username, "role": "annotator", "password": password}
    created: Json = http.post("users", json=account).raise_for_status().json()
    return created


def _stayed(http: httpx.Client, team: str) -> list[Json]:
    """All users but those who were taken out of the team."""
    left = {user["id"] for user in _members(http, workspaces(http).get(team + LEFT))}
    return [user for user in items_at(http, "users") if user["id"] not in left]


def _named(users: Iterable[Json], usernames: Sequence[str], team: str) -> list[Json]:
    """The accounts of these names. One that is missing is only counted in the log, where names do not belong."""
    found = [user for user in users if user["username"] in usernames]
    if not found:
        raise ServiceError(
            f"the recipe names reviewers for team {team!r}, and Argilla has an account for none of them: "
            f"`tuneloop review invite NAME --team {team}` makes one"
        )
    if len(found) < len(set(usernames)):
        missing = len(set(usernames)) - len(found)
        log.warning("%d of team %s's reviewers have no account yet: `tuneloop review invite`", missing, team)
    return found


def _checked(team: str) -> str:
    if re.fullmatch(r"[a-z0-9][a-z0-9-]*", team) and not team.endswith((ADJUDICATION, LEFT)):
        return team
    raise ServiceError(
        f"no team can have the name {team!r}: small letters, digits and hyphens, not ending in {ADJUDICATION} or {LEFT}"
    )


def _with_members(http: httpx.Client, name: str, users: Iterable[Json]) -> str:
    workspace = ensure_workspace(http, name)
    inside = {user["id"] for user in _members(http, workspace)}
    for user in users:
        if user["id"] not in inside:
            http.post(f"workspaces/{workspace}/users", json={"user_id": user["id"]}).raise_for_status()
    return workspace


def _members(http: httpx.Client, workspace: str | None) -> list[Json]:
    return items_at(http, f"workspaces/{workspace}/users") if workspace else []


def _is_in(http: httpx.Client, workspace: str | None, user: Json) -> bool:
    return user["id"] in {member["id"] for member in _members(http, workspace)}


def _take_out(http: httpx.Client, workspace: str | None, user: Json) -> None:
    if _is_in(http, workspace, user):
        http.delete(f"workspaces/{workspace}/users/{user['id']}").raise_for_status()


def _memberships(http: httpx.Client, user: Json) -> list[str]:
    return [space["name"] for space in items_at(http, f"users/{user['id']}/workspaces")]


def _is_out(http: httpx.Client, user: Json) -> bool:
    """Taken out of one team or more, and in none."""
    names = _memberships(http, user)
    return user["role"] != "owner" and bool(names) and all(name.endswith(LEFT) for name in names)


def _change_password(http: httpx.Client, user: Json, password: str) -> bool:
    """Whether the server ended sessions and API key with the old password: it shows by the key."""
    changed = http.patch(f"users/{user['id']}", json={"password": password}).raise_for_status().json()
    return bool(changed["api_key"] != user["api_key"])
