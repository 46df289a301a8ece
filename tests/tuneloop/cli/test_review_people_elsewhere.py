"""On an Argilla of the user's own, which changes passwords and keeps sessions and API keys: said, not passed over."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from tuneloop.cli.app import app


class UpstreamArgilla:
    """Accounts and workspaces, as Argilla's own server answers about them."""

    def __init__(self):
        self.users = {"u0": {"id": "u0", "username": "owner", "role": "owner", "api_key": "owner-key"}}
        self.passwords = {}
        self.spaces = {}
        self.members = {}

    def answer(self, method, path, body):  # noqa: PLR0911  one for each address
        """Status and body; `path` is what stands behind `/api/v1/`."""
        match method, *path.split("/"):
            case "GET", "users":
                return 200, {"items": list(self.users.values())}
            case "POST", "users":
                return 201, self._create(body)
            case "PATCH", "users", user:
                self.passwords[user] = body["password"]
                return 200, self.users[user]
            case "GET", "users", user, "workspaces":
                inside = [space for space, members in self.members.items() if user in members]
                return 200, {"items": [{"id": space, "name": self.spaces[space]} for space in inside]}
            case "GET", "me", "workspaces":
                return 200, {"items": [{"id": space, "name": name} for space, name in self.spaces.items()]}
            case "POST", "workspaces":
                space = f"w{len(self.spaces)}"
                self.spaces[space], self.members[space] = body["name"], []
                return 201, {"id": space, "name": body["name"]}
            case "GET", "workspaces", space, "users":
                return 200, {"items": [self.users[user] for user in self.members[space]]}
            case "POST", "workspaces", space, "users":
                self.members[space].append(body["user_id"])
                return 201, self.users[body["user_id"]]
            case "DELETE", "workspaces", space, "users", user:
                self.members[space].remove(user)
                return 200, self.users[user]
        return 404, {}

    def _create(self, body):
        user = f"u{len(self.users)}"
        account = {"id": user, "username": body["username"], "role": body["role"], "api_key": f"key-of-{user}"}
        self.users[user], self.passwords[user] = account, body["password"]
        return account


@pytest.fixture
def upstream():
    return UpstreamArgilla()


@pytest.fixture
def tuneloop(upstream, tmp_path):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, answer = upstream.answer(self.command, self.path.removeprefix("/api/v1/").split("?")[0], body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815  the names of the base class

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "TUNELOOP_ROOT": str(tmp_path),
        "TUNELOOP_WORKSPACE": str(tmp_path / "ws"),
        "TUNELOOP_ARGILLA_URL": f"http://127.0.0.1:{server.server_port}",
        "TUNELOOP_ARGILLA_API_KEY": "owner-key",
    }
    yield lambda *arguments: CliRunner().invoke(app, ["review", *arguments], env=environment)
    server.shutdown()
    server.server_close()


def invited(tuneloop, *arguments):
    return json.loads(tuneloop("invite", "robin", *arguments, "--json", "--force").output)


def words(text):
    return re.sub(r"\s+", " ", text)


def test_a_new_password_says_that_sessions_and_key_go_on(tuneloop):
    invited(tuneloop)
    assert invited(tuneloop, "--new-password")["revoked"] is False
    told = words(tuneloop("invite", "robin", "--new-password", "--force").output)
    assert "keeps sessions of robin's that are open now" in told
    assert "docs/argilla-production.md" in told


def test_a_first_invitation_speaks_of_nothing_that_ended(tuneloop):
    told = words(tuneloop("invite", "robin", "--force").output)
    assert "sessions" not in told
    assert "has an account now" in told


def test_a_removal_takes_the_password_and_says_what_is_left(tuneloop, upstream):
    first = invited(tuneloop)["password"]
    told = words(tuneloop("remove", "robin").output)
    assert upstream.passwords["u1"] != first
    assert "robin is no longer in team tuneloop" in told
    assert "keeps sessions" in told


def test_who_was_removed_gets_a_new_password_when_invited_back(tuneloop):
    first = invited(tuneloop)["password"]
    tuneloop("remove", "robin")
    assert invited(tuneloop)["password"] not in {None, first}
    assert invited(tuneloop)["password"] is None  # back in a team: it is theirs


def test_who_is_in_another_team_is_said_to_need_a_new_password_there(tuneloop):
    invited(tuneloop, "--team", "claims")
    invited(tuneloop, "--team", "desk")
    told = words(tuneloop("remove", "robin", "--team", "desk").output)
    assert "still in claims" in told
    assert "tuneloop review invite robin --team claims --new-password" in told
    assert invited(tuneloop, "--team", "desk")["password"] is None  # what they need, they were told


def test_a_removal_of_somebody_who_is_out_changes_nothing(tuneloop, upstream):
    invited(tuneloop)
    tuneloop("remove", "robin")
    password = upstream.passwords["u1"]
    assert json.loads(tuneloop("remove", "robin", "--json").output)["removed"] is False
    assert upstream.passwords["u1"] == password


def test_a_removal_that_was_killed_before_the_end_is_done_by_the_next(tuneloop, upstream):
    invited(tuneloop)
    tuneloop("remove", "robin")
    (team,) = (space for space, name in upstream.spaces.items() if name == "tuneloop")
    upstream.members[team].append("u1")  # as if it had ended after the new password
    password = upstream.passwords["u1"]
    assert json.loads(tuneloop("remove", "robin", "--json").output)["removed"] is True
    assert upstream.passwords["u1"] != password
    assert upstream.members[team] == []


def test_an_owner_keeps_the_password(tuneloop, upstream):
    tuneloop("invite", "owner", "--force")
    assert "keeps sessions" not in words(tuneloop("remove", "owner").output)
    assert upstream.passwords == {}
