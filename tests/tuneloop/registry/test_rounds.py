from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.tuneloop.reports.examples import make_round
from tuneloop.errors import DataError
from tuneloop.registry.rounds import (
    begin_round,
    find_round,
    load_rounds,
    one_cycle_at_a_time,
    other_model,
    reviewed_model,
    rounds_folder,
    save_round,
)
from tuneloop.results import Round


def test_rounds_come_back_as_they_were_saved_in_order(tmp_path: Path) -> None:
    rounds = [make_round(1), make_round(2), make_round(10)]
    for round_ in reversed(rounds):
        save_round(tmp_path, round_)
    assert load_rounds(tmp_path, "desk") == rounds


def test_saving_a_round_again_replaces_it_and_leaves_no_draft(tmp_path: Path) -> None:
    save_round(tmp_path, make_round(1, complete=False))
    save_round(tmp_path, make_round(1, complete=True))
    assert [r.complete for r in load_rounds(tmp_path, "desk")] == [True]
    assert [f.name for f in rounds_folder(tmp_path, "desk").iterdir()] == ["0001.json"]


def test_a_recipe_that_never_turned_has_no_rounds(tmp_path: Path) -> None:
    assert load_rounds(tmp_path, "desk") == []


def test_a_round_is_found_by_what_it_trained() -> None:
    rounds = [make_round(1), make_round(2)]
    assert find_round(rounds, training_key="key-2") == rounds[1]
    assert find_round(rounds, training_key="key-3") is None


def test_a_new_round_takes_the_next_number(tmp_path: Path) -> None:
    save_round(tmp_path, make_round(4))
    content = make_round().model_dump(exclude={"number", "recipe", "started_at"})
    assert begin_round(tmp_path, recipe="desk", **content).number == 5
    assert begin_round(tmp_path, recipe="other", **content).number == 1


def test_a_second_turn_of_a_recipe_waits_for_the_first_and_other_recipes_do_not(tmp_path: Path) -> None:
    happened: list[str] = []

    def second() -> None:
        with one_cycle_at_a_time(tmp_path, "desk"):
            happened.append("second")

    thread = threading.Thread(target=second)
    with one_cycle_at_a_time(tmp_path, "desk"):
        thread.start()
        with one_cycle_at_a_time(tmp_path, "other"):
            happened.append("other")
        thread.join(timeout=0.2)
        happened.append("first")
    thread.join(timeout=5)
    assert happened == ["other", "first", "second"]


def test_people_judge_the_champion_and_before_there_is_one_the_candidate() -> None:
    round_ = make_round()
    assert reviewed_model(round_, None) == (round_.training.model, round_.candidate.model_hash)
    assert reviewed_model(round_, {"model_path": "m", "model_hash": "h", "version": "1"}) == ("m", "h")


def test_people_judge_what_is_served_and_a_candidate_that_waits_for_them() -> None:
    round_ = make_round()
    champion = {"model_path": "m", "model_hash": "h", "served_path": "served", "served_hash": "q8", "version": "1"}
    assert reviewed_model(round_, champion) == ("served", "q8")
    verdict = round_.verdict.model_copy(update={"decision": "needs_review"})
    waiting = round_.model_copy(update={"verdict": verdict, "served_path": "gguf"})
    assert reviewed_model(waiting, champion) == ("gguf", round_.candidate.model_hash)


def served(folder: Path, model_hash: str) -> Round:
    round_ = make_round(1).model_copy(update={"served_path": str(folder)})
    return round_.model_copy(update={"candidate": round_.candidate.model_copy(update={"model_hash": model_hash})})


def test_the_reviewed_model_is_compared_with_the_other_of_candidate_and_champion(tmp_path: Path) -> None:
    round_ = make_round(2, champion=make_round(1).candidate.model_copy(update={"model_hash": "old"}))
    round_ = round_.model_copy(update={"served_path": str(tmp_path)})
    (tmp_path / "old").mkdir()
    rounds = [served(tmp_path / "old", "old"), served(tmp_path / "new", "another")]
    candidate = round_.candidate.model_hash
    assert other_model(round_, candidate, rounds) == (str(tmp_path / "old"), "old")
    assert other_model(round_, "old", rounds) == (str(tmp_path), candidate)


def test_there_is_no_other_model_before_the_first_champion_or_when_its_folder_is_gone(tmp_path: Path) -> None:
    first = make_round(1).model_copy(update={"champion": None, "served_path": str(tmp_path)})
    assert other_model(first, first.candidate.model_hash, []) is None
    round_ = make_round(2, champion=make_round(1).candidate.model_copy(update={"model_hash": "old"}))
    assert other_model(round_, round_.candidate.model_hash, [served(tmp_path / "gone", "old")]) is None


@pytest.mark.parametrize("content", ["", '{"number": 1', "[]", '{"number": 1, "surprise": 2}', "\x00" * 64])
def test_a_damaged_round_is_named_with_what_to_do(tmp_path: Path, content: str) -> None:
    file = save_round(tmp_path, make_round(1))
    file.write_text(content)
    with pytest.raises(DataError, match=rf"{file}, is damaged.*backup"):
        load_rounds(tmp_path, "desk")


def test_a_round_of_an_earlier_release_had_one_review_set_at_most() -> None:
    content = make_round(1).model_dump(exclude={"reviews"})
    old = {"review_set": "desk-round-1", "url": "http://desk", "records": 16}
    assert [r.review_set for r in Round.model_validate(content | {"review": old}).reviews] == ["desk-round-1"]
    assert Round.model_validate(content | {"review": None}).reviews == []
