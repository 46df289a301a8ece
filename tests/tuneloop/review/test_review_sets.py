import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.review.items import item, review_set
from tuneloop.review.review_sets import AskedLedger, ReviewSets, prompt_hash
from tuneloop.review.rows import read_rows

GOLD_ROW = {"review_set": "desk-round-1", "item_id": "g", "rating": 5, "tolerance": 1, "preferred": None}


@pytest.fixture
def sets(tmp_path):
    return ReviewSets(tmp_path / "feedback")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.jsonl"))}


def test_a_set_is_found_again_as_it_was_kept(sets):
    odd = item(
        "Two lines\n\u2028 and \ud800", labels={"chosen_by": "random"}, alternative="other", alternative_model="b"
    )
    wanted = review_set("desk-round-1", "a", "b", items=(odd,), notes=("x",), gold=(GOLD_ROW,))
    kept = sets.keep("desk-round-1", lambda: wanted)
    found = sets.find("desk-round-1")
    assert kept == wanted
    assert found.items[0].prompt == odd.prompt.replace("\ud800", "?")
    assert (found.notes, found.gold, found.items[0].labels) == (("x",), (GOLD_ROW,), {"chosen_by": "random"})
    assert tuple(found.items[0].vector) == odd.vector


def test_a_set_that_is_there_is_not_chosen_again(sets):
    first = sets.keep("desk-round-1", lambda: review_set("desk-round-1", "a"))
    assert sets.keep("desk-round-1", lambda: review_set("desk-round-1", "z")).items[0].prompt == first.items[0].prompt


def test_where_nothing_is_chosen_nothing_is_kept(sets):
    assert sets.keep("desk-round-1", lambda: None) is None
    assert sets.find("desk-round-1") is None
    assert sets.ledger.asked() == {}


def test_the_ledger_knows_every_prompt_of_a_set_and_holds_no_text(sets):
    sets.keep("desk-round-1", lambda: review_set("desk-round-1", "a secret prompt"))
    assert sets.ledger.asked() == {prompt_hash("A secret  prompt"): "desk-round-1"}
    assert "secret" not in sets.ledger.file.read_text()
    assert sets.prompts() == ["a secret prompt"]


def test_a_prompt_stays_with_the_set_that_had_it_first(sets):
    sets.keep("desk-round-1", lambda: review_set("desk-round-1", "gold", "a"))
    sets.keep("desk-round-2", lambda: review_set("desk-round-2", "gold", "b"))
    assert sets.ledger.asked()[prompt_hash("gold")] == "desk-round-1"


def test_gold_items_are_noted_once_for_each_set(sets):
    for name in ("desk-round-1", "desk-round-2", "desk-round-1"):
        gold = (GOLD_ROW | {"review_set": name},)
        sets.keep(name, lambda name=name, gold=gold: review_set(name, f"of {name}", gold=gold))
    assert [row["review_set"] for row in read_rows(sets.folder / "gold.jsonl")] == ["desk-round-1", "desk-round-2"]


def test_the_address_is_known_once_the_desk_has_all_of_it(sets):
    kept = sets.keep("desk-round-1", lambda: review_set("desk-round-1", "a"))
    assert sets.find("desk-round-1").url == ""
    sets.mark_published(kept, "http://desk/1")
    assert sets.find("desk-round-1").url == "http://desk/1"


def test_everything_is_private(sets):
    sets.keep("desk-round-1", lambda: review_set("desk-round-1", "a", gold=(GOLD_ROW,)))
    assert {oct(path.stat().st_mode & 0o777) for path in sets.folder.rglob("*.jsonl")} == {"0o600"}


def test_a_ledger_of_an_earlier_release_still_counts(tmp_path):
    AskedLedger(tmp_path / "asked.jsonl").remember("desk-round-1", ["a"])
    assert set(ReviewSets(tmp_path).ledger.asked().values()) == {"desk-round-1"}


@pytest.mark.parametrize("writes", range(4))
def test_a_keeping_killed_at_any_write_is_healed_by_the_next(tmp_path, writes):
    """Even where the next one is for another set: what was chosen before the kill can never be chosen again."""
    whole, killed = ReviewSets(tmp_path / "whole"), ReviewSets(tmp_path / "killed")
    wanted = review_set("desk-round-1", "a", "g", gold=(GOLD_ROW,))
    whole.keep("desk-round-1", lambda: wanted)
    if (pid := os.fork()) == 0:
        _die_after(writes, killed, wanted)
    os.waitpid(pid, 0)
    was_chosen = killed.find("desk-round-1") is not None
    killed.keep("desk-round-2", lambda: None)
    assert (prompt_hash("a") in killed.ledger.asked()) == was_chosen
    killed.keep("desk-round-1", lambda: wanted)
    assert files(killed.folder) == files(whole.folder)


def _die_after(writes: int, sets: ReviewSets, wanted) -> None:
    """In a child: end without any clean-up at the replacing of the next file after so many."""

    def watch(event, _arguments):
        if event == "os.rename" and len(list(sets.folder.rglob("[!.]*.jsonl"))) >= writes:
            os._exit(1)

    sys.addaudithook(watch)
    sets.keep("desk-round-1", lambda: wanted)
    os._exit(0)


def test_two_processes_that_choose_at_once_choose_one_after_the_other(tmp_path):
    pids = []
    for name in ("desk-round-1", "desk-preference-1"):
        if (pid := os.fork()) == 0:
            sets = ReviewSets(tmp_path)
            sets.keep(name, lambda sets=sets, name=name: _of_the_unasked(sets, name))
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    prompts = ReviewSets(tmp_path).prompts()
    assert len(prompts) == len(set(prompts)) == 20


def _of_the_unasked(sets: ReviewSets, name: str):
    asked = sets.ledger.asked()
    return review_set(name, *[p for p in (f"prompt {n}" for n in range(40)) if prompt_hash(p) not in asked][:10])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 9), min_size=1, max_size=4)), max_size=8))
def test_whatever_is_chosen_in_whatever_order_the_ledger_names_one_set_for_each_prompt(tmp_path_factory, wishes):
    sets = ReviewSets(tmp_path_factory.mktemp("feedback"))
    first: dict[str, str] = {}
    for number, prompts in wishes:
        name = f"desk-round-{number}"
        if sets.find(name) is None:
            first = {prompt_hash(str(p)): name for p in prompts} | first
        sets.keep(name, lambda name=name, prompts=prompts: review_set(name, *map(str, prompts)))
    assert sets.ledger.asked() == first
