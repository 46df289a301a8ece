import json

import pytest

from tuneloop.recipes import Checks
from tuneloop.workflows.collect_feedback import accept_answers

ROW = {"id": "t1", "time": "2026-11-01T10:00:00+00:00", "model": "m", "answer": "draft"}
PLAIN = ROW | {"id": "t2", "prompt": "Where is it?", "sent": "There."}
PERSONAL = ROW | {"prompt": "Write to jo.smith@example.org", "sent": "I wrote to jo.smith@example.org."}


def stored(folder, policy, **checks):
    rules = Checks(pii_policy=policy, person_names=False, **checks)
    accept_answers([PLAIN, PERSONAL], folder=folder, checks=rules, key=b"k" * 32)
    return [json.loads(line) for line in (folder / "accepted.jsonl").read_text().splitlines()]


def test_under_pseudonymise_no_address_is_stored_and_both_texts_name_the_same_person(tmp_path):
    rows = {row["id"]: row for row in stored(tmp_path, "pseudonymise")}
    assert "jo.smith" not in (tmp_path / "accepted.jsonl").read_text()
    pseudonym = rows["traffic/t1"]["prompt"].rpartition(" ")[2]
    assert pseudonym.startswith("<email-")
    assert pseudonym in rows["traffic/t1"]["completion"]


def test_under_redact_the_kind_takes_its_place(tmp_path):
    assert "Write to <email>" in {row["prompt"] for row in stored(tmp_path, "redact")}


def test_under_quarantine_such_a_row_is_not_stored_here_at_all(tmp_path):
    assert [row["id"] for row in stored(tmp_path, "quarantine")] == ["traffic/t2"]


def test_what_the_recipe_allows_is_stored_as_it_is(tmp_path):
    assert len(stored(tmp_path, "quarantine", pii_allowed=("email",))) == 2


@pytest.mark.parametrize("policy", ["pseudonymise", "redact", "quarantine"])
def test_a_second_call_changes_nothing(tmp_path, policy):
    assert stored(tmp_path, policy) == stored(tmp_path, policy)


def test_a_stricter_policy_reaches_what_was_stored_before(tmp_path):
    stored(tmp_path, "quarantine", pii_allowed=("email",))
    assert "jo.smith" in (tmp_path / "accepted.jsonl").read_text()
    stored(tmp_path, "quarantine")
    assert "jo.smith" not in (tmp_path / "accepted.jsonl").read_text()
