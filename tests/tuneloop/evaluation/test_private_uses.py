from __future__ import annotations

import fcntl
import os
import random
import signal
import stat
import subprocess
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.evaluation.private_rows import a_record, a_use
from tuneloop.errors import DataError
from tuneloop.evaluation.private_uses import UseLedger, identity_of, looks_at
from tuneloop.results.private_test import PrivatePromotion

SKETCH = a_use().sketch


def promotion(model_hash: str) -> PrivatePromotion:
    return PrivatePromotion(at="2026-11-22T09:00:00+00:00", model_hash=model_hash)


@pytest.fixture
def ledger(tmp_path: Path) -> UseLedger:
    return UseLedger.of(tmp_path, "desk")


def test_what_is_logged_is_read_again_and_is_for_the_owner_alone(ledger: UseLedger) -> None:
    assert ledger.entries() == []
    assert ledger.log(a_use())
    ledger.note_promotion("m1")

    first, second = ledger.entries()
    assert first == a_use()
    assert isinstance(second, PrivatePromotion)
    assert stat.S_IMODE(ledger.file.stat().st_mode) == 0o600


def test_the_same_model_on_the_same_rows_is_one_use(ledger: UseLedger) -> None:
    ledger.log(a_use())

    assert not ledger.log(a_use(at="later", by="somebody else", data_version="v2"))
    assert ledger.log(a_use(purpose="choose"))
    assert ledger.log(a_use("m2"))
    assert ledger.log(a_use(records=[a_record(9)]))
    assert len(ledger.entries()) == 4


def test_noting_the_same_champion_again_changes_nothing(ledger: UseLedger) -> None:
    for model_hash in ("m1", "m1", "m2", "m1"):
        ledger.note_promotion(model_hash)

    assert [e.model_hash for e in ledger.entries()] == ["m1", "m2", "m1"]


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_line_that_a_kill_left_unfinished_never_was_and_is_healed(ledger: UseLedger, cut: int) -> None:
    ledger.log(a_use())
    ledger.log(a_use("m2"))
    whole = ledger.file.read_bytes()
    ledger.file.write_bytes(whole[:-cut])
    assert ledger.entries() == [a_use()]

    assert ledger.log(a_use("m2"))
    assert ledger.file.read_bytes() == whole


@pytest.mark.parametrize("line", ["{", "7", "[]", '{"kind": "use"}'])
def test_a_damaged_line_is_an_error_that_names_it(ledger: UseLedger, line: str) -> None:
    ledger.log(a_use())
    ledger.file.write_text(ledger.file.read_text() + line + "\n")

    with pytest.raises(DataError, match="line 2"):
        ledger.entries()
    with pytest.raises(DataError, match="backup"):
        ledger.log(a_use("m2"))


def test_uses_logged_at_the_same_time_are_all_kept_once(ledger: UseLedger) -> None:
    hashes = [f"m{i % 10}" for i in range(40)]
    with ThreadPool(8) as pool:
        new = pool.map(lambda name: UseLedger(ledger.file).log(a_use(name)), hashes)

    assert sum(new) == 10
    assert {e.model_hash for e in ledger.entries()} == set(hashes)


def test_a_use_waits_for_whoever_is_writing_and_then_sees_what_was_written(ledger: UseLedger) -> None:
    ledger.log(a_use("m1"))
    with ThreadPool(1) as pool, ledger.file.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = pool.apply_async(ledger.log, (a_use("m2"),))
        waiting.wait(0.3)
        assert not waiting.ready()
        other.write(a_use("m2").model_dump_json().encode() + b"\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        assert waiting.get(timeout=30) is False

    assert [e.model_hash for e in ledger.entries()] == ["m1", "m2"]


def test_a_killed_process_leaves_a_ledger_that_can_be_read_and_goes_on(ledger: UseLedger) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.tuneloop.evaluation.private_rows import a_use\n"
        "from tuneloop.evaluation.private_uses import UseLedger\n"
        "for i in range(10**6): UseLedger(Path(sys.argv[1])).log(a_use(f'k{i}')); print(i, flush=True)\n"
    )
    root = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ledger.file)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    said = process.stdout.read().split()
    process.wait()

    known = [e.model_hash for e in ledger.entries()]
    assert known[: len(said) + 1] == [f"k{i}" for i in range(len(said) + 1)]
    assert ledger.log(a_use("after"))


def test_a_model_that_is_promoted_before_the_next_is_scored_competes_with_none() -> None:
    entries = [a_use("m1"), promotion("m1"), a_use("m2"), promotion("m2"), a_use("m1"), a_use("m3")]

    looks = looks_at(entries, SKETCH)

    assert looks.models == ("m1", "m2", "m3")
    assert looks.compared == 1


def test_two_candidates_before_a_promotion_are_remembered_for_good() -> None:
    entries = [a_use("m1"), a_use("m2"), promotion("m2"), a_use("m3"), promotion("m3")]

    assert looks_at(entries, SKETCH).compared == 2


def test_sets_that_share_rows_count_as_one_and_others_do_not() -> None:
    larger = [a_record(i) for i in range(8)]
    others = [a_record(i) for i in range(20, 25)]
    entries = [a_use("m1"), a_use("m2", larger, purpose="choose"), a_use("m3", others)]

    assert looks_at(entries, SKETCH).models == ("m1", "m2")
    assert looks_at(entries, SKETCH).choices == 1
    assert looks_at(entries, a_use(records=others).sketch).models == ("m3",)


def test_the_identity_of_rows_is_what_they_say_in_any_order() -> None:
    rows = [a_record(i) for i in range(5)]

    assert identity_of(rows) == identity_of(rows[::-1])
    assert identity_of(rows)[0] != identity_of(rows[:4])[0]


def test_a_set_that_keeps_a_fifth_of_its_rows_is_still_known() -> None:
    known = sum(
        bool(
            set(identity_of([a_record(seed * 10_000 + i) for i in range(200)])[1])
            & set(identity_of([a_record(seed * 10_000 + i) for i in range(160, 360)])[1])
        )
        for seed in range(20)
    )
    assert known == 20


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abc")), max_size=12), st.randoms())
def test_no_repetition_of_a_use_changes_what_is_known(steps: list[tuple[bool, str]], chance: random.Random) -> None:
    entries = [a_use(name) if is_use else promotion(name) for is_use, name in steps]
    looks = looks_at(entries, SKETCH)
    uses = {name for is_use, name in steps if is_use}

    assert set(looks.models) == uses
    assert looks.compared <= len(uses)
    for place in chance.sample(range(len(entries)), min(2, len(entries))):
        repeated = [*entries[: place + 1], entries[place], *entries[place + 1 :]]
        assert looks_at(repeated, SKETCH) == looks
