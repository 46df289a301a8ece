from __future__ import annotations

import math
import stat

import pytest

from tuneloop.registry.verdict_signature import KEY_FILE, canonical_json, signature_tags, signing_key, standing
from tuneloop.results import Reason, Verdict

KEY = b"k" * 32
VERDICT = Verdict(
    decision="promote",
    reasons=[Reason(rule="loss", passed=True, text="überzeugend", low=-math.inf, change=0.1 + 0.2)],
    candidate_hash="c",
    champion_hash=None,
)


def tags(verdict=VERDICT, recipe="desk", key=KEY):
    return signature_tags(verdict, recipe=recipe, key=key)


def test_a_verdict_that_went_through_a_file_is_still_the_signed_one():
    again = Verdict.model_validate_json(VERDICT.model_dump_json())
    assert canonical_json(again) == canonical_json(VERDICT)
    assert standing(tags(), again, recipe="desk", key=KEY) == "verified"


def test_the_canonical_form_is_what_it_has_always_been():
    assert canonical_json(VERDICT).decode() == (
        '{"candidate_hash":"c","decision":"promote",'
        '"reasons":[{"change":0.30000000000000004,"passed":true,"rule":"loss","text":"überzeugend"}]}'
    )


@pytest.mark.parametrize(
    "changed",
    [
        VERDICT.model_copy(update={"decision": "reject"}),
        VERDICT.model_copy(update={"candidate_hash": "d"}),
        VERDICT.model_copy(update={"champion_hash": "e"}),
        VERDICT.model_copy(update={"reasons": []}),
        VERDICT.model_copy(update={"reasons": [VERDICT.reasons[0].model_copy(update={"change": 0.3})]}),
    ],
)
def test_any_change_shows(changed):
    assert standing(tags(), changed, recipe="desk", key=KEY) == "changed"


def test_a_verdict_of_another_recipe_or_with_another_key_shows():
    assert standing(tags(recipe="shop"), VERDICT, recipe="desk", key=KEY) == "changed"
    assert standing(tags(key=b"x" * 32), VERDICT, recipe="desk", key=KEY) == "changed"


def test_a_changed_hash_shows_although_the_signature_fits():
    assert standing(tags() | {"verdict_sha256": "0"}, VERDICT, recipe="desk", key=KEY) == "changed"


def test_what_was_never_signed_and_what_has_no_round_is_told_apart():
    assert standing({}, VERDICT, recipe="desk", key=KEY) == "unsigned"
    assert standing(tags(), None, recipe="desk", key=KEY) == "no round"


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    key = signing_key(tmp_path)
    assert signing_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
