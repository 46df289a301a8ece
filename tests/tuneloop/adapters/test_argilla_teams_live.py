"""Teams on the real server: who sees what, and the commands by which a lead runs them."""

import json

import httpx
import pytest
from typer.testing import CliRunner

from tests.tuneloop.adapters.argilla_server import KEY, api, records, respond
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.cli.app import app
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewForm, ReviewItem

pytestmark = pytest.mark.end_to_end
ITEMS = [ReviewItem("i1", "a prompt", "an answer", "abc", {})]


@pytest.fixture
def tuneloop(url, tmp_path):
    environment = {"TUNELOOP_ARGILLA_URL": url, "TUNELOOP_ARGILLA_API_KEY": KEY, "TUNELOOP_WORKSPACE": str(tmp_path)}
    return lambda *arguments: CliRunner().invoke(app, ["review", *arguments], env=environment)


def visible_sets(url: str, key: str) -> set[str]:
    return {dataset["name"] for dataset in api(url, key).get("/me/datasets").raise_for_status().json()["items"]}


def login(url: str, username: str, password: str) -> str:
    """The API key of whoever signs in with these, as the page does it."""
    token = httpx.post(f"{url}/api/v1/token", data={"username": username, "password": password}, timeout=60)
    bearer = {"Authorization": f"Bearer {token.raise_for_status().json()['access_token']}"}
    return httpx.get(f"{url}/api/v1/me", headers=bearer, timeout=60).json()["api_key"]


def test_nobody_sees_another_teams_sets(url):
    keys = {name: ensure_annotator(url, KEY, name, "a-long-password", team="lobby") for name in ("red-1", "blue-1")}
    for team in ("red", "blue"):
        backend = ArgillaBackend(url, KEY, workspace=team, annotators=(f"{team}-1",))
        backend.publish(f"{team}-round-1", ITEMS, ReviewForm("Rules"))
    assert visible_sets(url, keys["red-1"]) & {"red-round-1", "blue-round-1"} == {"red-round-1"}
    assert visible_sets(url, keys["blue-1"]) & {"red-round-1", "blue-round-1"} == {"blue-round-1"}
    blue = ArgillaBackend(url, KEY, workspace="blue").progress("blue")[0].url.split("/")[-2]
    for path in (f"/datasets/{blue}", f"/datasets/{blue}/questions", f"/datasets/{blue}/progress"):
        assert api(url, keys["red-1"]).get(path).status_code == 403
    assert ArgillaBackend(url, KEY, workspace="red").answers("blue") == []


def test_adjudication_sets_are_for_adjudicators_alone(url):
    member, judge = (ensure_annotator(url, KEY, name, "a-long-password", team="court") for name in ("juror", "judge"))
    backend = ArgillaBackend(url, KEY, workspace="court", annotators=("juror",), adjudicators=("judge",))
    backend.publish("court-conflicts", ITEMS, ReviewForm("Rules", "adjudication"))
    assert "court-conflicts" not in visible_sets(url, member)
    assert "court-conflicts" in visible_sets(url, judge)
    assert list(backend.progress("court")[0].waiting.values()) == [1]


def test_without_adjudicators_it_is_the_owner_who_is_waited_for(url):
    backend = ArgillaBackend(url, KEY, workspace="calm")
    backend.publish("calm-conflicts", ITEMS, ReviewForm("Rules", "adjudication"))
    assert list(backend.progress("calm")[0].waiting.values()) == [1]


def test_a_recipe_whose_reviewers_have_no_accounts_says_how_to_make_them(url):
    backend = ArgillaBackend(url, KEY, workspace="empty", annotators=("nobody-yet",))
    with pytest.raises(ServiceError, match="tuneloop review invite NAME --team empty"):
        backend.publish("empty-round-1", ITEMS, ReviewForm("Rules"))


def test_an_invited_reviewer_signs_in_with_the_password_that_is_shown_once(url, tuneloop):
    shown = tuneloop("invite", "dana", "--team", "guests", "--json", "--force")
    invitation = json.loads(shown.output)
    assert (invitation["new_account"], invitation["url"]) == (True, url)
    login(url, "dana", invitation["password"])
    again = tuneloop("invite", "dana", "--team", "guests", "--force")
    assert invitation["password"] not in again.output
    assert "--new-password" in again.output
    changed = json.loads(tuneloop("invite", "dana", "--team", "guests", "--new-password", "--json", "--force").output)
    login(url, "dana", changed["password"])
    with pytest.raises(httpx.HTTPStatusError):
        login(url, "dana", invitation["password"])


def test_an_owners_password_is_left_alone(tuneloop):
    result = tuneloop("invite", "owner", "--new-password", "--force")
    assert result.exit_code == 1
    assert "tuneloop secrets" in result.output


def test_people_lead_from_a_pseudonym_to_a_name(url, tuneloop, tmp_path):
    from tuneloop.pseudonyms import pseudonym_key

    key = ensure_annotator(url, KEY, "sasha", "a-long-password", team="walk")
    backend = ArgillaBackend(url, KEY, workspace="walk", pseudonym_key=pseudonym_key(tmp_path))
    respond(url, key, records(url, backend.publish("walk-round-1", ITEMS, ReviewForm("Rules")))[0]["id"], rating=4)
    reviewer = backend.answers("walk")[0].reviewer
    people = json.loads(tuneloop("people", "--json", "--force").output)
    found = [p for p in people if p["reviewer"] == reviewer and p["team"] == "walk"]
    assert [(p["username"], p["state"], p["role"]) for p in found] == [("sasha", "member", "annotator")]
    assert reviewer in tuneloop("people", "--force").output


def test_who_is_removed_sees_nothing_keeps_every_answer_and_comes_back_only_by_invitation(url, tuneloop):
    key = ensure_annotator(url, KEY, "lee", "a-long-password", team="leaving")
    backend = ArgillaBackend(url, KEY, workspace="leaving")  # open to every user of the server
    respond(url, key, records(url, backend.publish("leaving-round-1", ITEMS, ReviewForm("Rules")))[0]["id"], rating=4)
    assert "every answer is kept" in tuneloop("remove", "lee", "--team", "leaving").output
    backend.publish("leaving-round-2", ITEMS, ReviewForm("Rules"))
    assert api(url, key).get("/me").status_code == 401
    assert [answer.rating for answer in backend.answers("leaving")] == [4]
    assert json.loads(tuneloop("remove", "lee", "--team", "leaving", "--json").output)["removed"] is False
    back = json.loads(tuneloop("invite", "lee", "--team", "leaving", "--json", "--force").output)
    assert visible_sets(url, login(url, "lee", back["password"])) >= {"leaving-round-1", "leaving-round-2"}


def session(url: str, username: str, password: str) -> httpx.Client:
    """Somebody who is signed in, as their browser is."""
    token = httpx.post(f"{url}/api/v1/token", data={"username": username, "password": password}, timeout=60)
    bearer = {"Authorization": f"Bearer {token.raise_for_status().json()['access_token']}"}
    return httpx.Client(base_url=f"{url}/api/v1", headers=bearer, timeout=60)


def test_a_new_password_and_a_removal_end_what_is_open(url, tuneloop):
    first = json.loads(tuneloop("invite", "mika", "--team", "doors", "--json", "--force").output)
    tuneloop("invite", "mika", "--team", "windows", "--force")
    browser, key = session(url, "mika", first["password"]), login(url, "mika", first["password"])
    changed = tuneloop("invite", "mika", "--team", "doors", "--new-password", "--json", "--force")
    second = json.loads(changed.output)
    assert second["revoked"] is True
    assert [client.get("/me").status_code for client in (browser, api(url, key))] == [401, 401]
    browser, key = session(url, "mika", second["password"]), login(url, "mika", second["password"])
    told = tuneloop("remove", "mika", "--team", "doors").output
    assert [client.get("/me").status_code for client in (browser, api(url, key))] == [401, 401]
    assert "API key of before have ended" in told
    assert "--team windows --new-password" in told


def test_an_owner_who_is_taken_out_keeps_the_key_that_the_loop_works_with(url, tuneloop):
    tuneloop("invite", "owner", "--team", "visit", "--force")
    removed = json.loads(tuneloop("remove", "owner", "--team", "visit", "--json").output)
    assert (removed["removed"], removed["revoked"]) == (True, None)
    assert api(url).get("/me").json()["username"] == "owner"


def test_an_account_that_was_never_taken_out_keeps_its_password(url, tuneloop):
    account = {"username": "tamsin", "first_name": "Tamsin", "role": "annotator", "password": "a-long-password"}
    api(url).post("/users", json=account).raise_for_status()
    assert json.loads(tuneloop("invite", "tamsin", "--json", "--force").output)["password"] is None
    login(url, "tamsin", "a-long-password")


def test_a_deleted_account_takes_its_answers_along_which_is_why_there_is_remove(url):
    key = ensure_annotator(url, KEY, "gone", "a-long-password", team="deleting")
    backend = ArgillaBackend(url, KEY, workspace="deleting", annotators=("gone",))
    respond(url, key, records(url, backend.publish("deleting-round-1", ITEMS, ReviewForm("Rules")))[0]["id"], rating=4)
    user = api(url, key).get("/me").json()["id"]
    api(url).delete(f"/users/{user}").raise_for_status()
    assert backend.answers("deleting") == []
    assert backend.progress("deleting")[0].waiting == {}


@pytest.mark.parametrize(("arguments", "advice"), [
    (("remove", "no-such-person"), "review people"),
    (("remove", "owner", "--team", "no-such-team"), "review people"),
    (("invite", "x", "--team", "Not A Team", "--force"), "small letters"),
    (("invite", "x", "--team", "desk-left", "--force"), "not ending in"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_with_advice(tuneloop, arguments, advice):
    result = tuneloop(*arguments)
    assert result.exit_code == 1
    assert advice in result.output
