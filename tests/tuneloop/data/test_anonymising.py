from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tuneloop.data.anonymising import treat
from tuneloop.data.pii import find_kinds
from tuneloop.recipes import Checks
from tuneloop.records import Message, Record

KEY = b"a key of these tests"
MAIL, CARD, IBAN, PHONE = "jo.reed@example.org", "4111 1111 1111 1111", "GB82 WEST 1234 5698 7654 32", "020 7946 0958"


def checks(policy: str, *allowed: str) -> Checks:
    return Checks.model_validate({"pii_policy": policy, "pii_allowed": allowed, "person_names": False})


def row(*turns: str, **fields: Any) -> Record:
    roles = ["user", "assistant"] * len(turns)
    messages = tuple(Message(role, text) for role, text in zip(roles, turns, strict=False))
    return Record(**{"id": "r1", "messages": messages, "source": "pool", "line": 1, **fields})


def treated_texts(record: Record, policy: str = "redact", *allowed: str) -> list[str]:
    (new,) = treat([record], checks(policy, *allowed), KEY).records
    return [m.content for m in new.messages]


def test_quarantine_names_the_kinds_and_leaves_the_rows_alone() -> None:
    rows = [row(f"write to {MAIL}", f"or pay with {CARD}"), row("hello", "good day")]

    treated = treat(rows, checks("quarantine"), KEY)

    assert treated.records == rows
    assert treated.kinds == ["card,email", ""]
    assert treated.replaced == Counter()


def test_redaction_puts_the_kind_in_its_place_in_every_turn() -> None:
    record = row(f"I am {MAIL}", f"Call {PHONE}.", "thanks", "ok", rejected=f"IBAN {IBAN}")

    treated = treat([record], checks("redact"), KEY)

    assert [m.content for m in treated.records[0].messages] == ["I am <email>", "Call <phone>.", "thanks", "ok"]
    assert treated.records[0].rejected == "IBAN <iban>"
    assert treated.kinds == [""]
    assert treated.replaced == {"email": 1, "phone": 1, "iban": 1}


def test_the_system_turn_is_treated_as_well() -> None:
    record = Record("r", (Message("system", f"You work for {MAIL}"), Message("assistant", "yes")), "pool", 1)

    assert treated_texts(record)[0] == "You work for <email>"


@pytest.mark.parametrize("spellings", [
    (MAIL, "Jo.Reed@Example.ORG", "jo.reed (at) example (dot) org"),
    (PHONE, "+44 20 7946 0958", "(020) 79460958", "0044 20 7946 0958"),
    (CARD, "4111111111111111", "4111-1111-1111-1111"),
    (IBAN, "GB82WEST12345698765432"),
])  # fmt: skip
def test_a_value_has_one_pseudonym_however_it_is_written(spellings: tuple[str, ...]) -> None:
    texts = {treated_texts(row(f"it is {s} now", "ok"), "pseudonymise")[0] for s in spellings}

    assert len(texts) == 1
    assert re.fullmatch(r"it is <\w+-[0-9a-f]{8}> now", texts.pop())


def test_another_key_gives_another_pseudonym() -> None:
    record = row(MAIL, "ok")
    one, other = (treat([record], checks("pseudonymise"), key).records[0].prompt for key in (KEY, b"another"))

    assert one != other


def test_allowed_kinds_stay_and_are_still_named() -> None:
    record = row(f"{MAIL} pays with {CARD}", "ok")

    treated = treat([record], checks("redact", "email"), KEY)

    assert treated.records[0].prompt == f"{MAIL} pays with <card>"
    assert treated.kinds == ["email"]


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_a_json_answer_stays_the_same_json_but_for_the_finding(separators: Any, *, is_ascii: bool) -> None:
    answer = {"a": f'é {MAIL} "q"\n', "n": 4111111111111111, "x": [1.50, True, None, "é"]}

    new = treated_texts(row("q", json.dumps(answer, separators=separators, ensure_ascii=is_ascii)))[1]

    wanted = {**answer, "a": 'é <email> "q"\n', "n": "<card>"}
    assert new == json.dumps(wanted, separators=separators, ensure_ascii=is_ascii)


def test_a_key_in_json_says_what_its_value_is() -> None:
    assert treated_texts(row("q", '{"password": "hunter22", "colour": "hunter22"}'))[1] == (
        '{"password": "<secret>", "colour": "hunter22"}'
    )


def test_json_without_a_finding_is_not_touched_by_a_byte() -> None:
    text = '{ "a" :1.50,\n\t"b": "\\u00e9\\/" }'

    assert treated_texts(row("q", text))[1] == text


@pytest.mark.parametrize("policy", ["quarantine", "redact", "pseudonymise"])
def test_extra_fields_are_redacted_under_every_policy(policy: str) -> None:
    record = row("q", "a", extra={"mail": MAIL, "deep": [{"tel": PHONE}, 3], "note": "fine"})

    (new,) = treat([record], checks(policy), KEY).records

    assert new.extra == {"mail": "<email>", "deep": [{"tel": "<phone>"}, 3], "note": "fine"}


@pytest.mark.parametrize("policy", ["quarantine", "redact", "pseudonymise"])
def test_an_id_that_is_personal_is_hashed_and_still_joins(policy: str) -> None:
    rows = [row("q", "a", id=MAIL, group="g1"), row("q", "a", id="desk-0016", group="Jo.Reed@example.org")]

    one, other = treat(rows, checks(policy), KEY).records

    assert re.fullmatch(r"email-[0-9a-f]{16}", one.id)
    assert one.id == other.group
    assert (one.group, other.id) == ("g1", "desk-0016")


def luhn(digits: str) -> str:
    doubled = [sum(divmod(2 * int(d), 10)) if i % 2 == 0 else int(d) for i, d in enumerate(reversed(digits))]
    return digits + str(-sum(doubled) % 10)


def iban(account: str) -> str:
    rest = int("".join(str(int(c, 36)) for c in f"{account}DE00"))
    return f"DE{98 - rest % 97:02d}{account}"


word = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=8)
email = st.builds("{}.{}@{}.org".format, word, word, word)
phone = st.builds("+4420794{:05d}".format, st.integers(0, 99999))
card = st.integers(10**13, 10**14 - 1).map(lambda n: luhn(f"4{n}"))
account = st.integers(10**17, 10**18 - 1).map(lambda n: iban(str(n)))
value = st.one_of(email, phone, card, account)
filler = st.sampled_from(["please see", "and", "the lamp is dark, ask", "(", ";\n", "or", "is it right:", "said <b>"])
text = st.lists(st.tuples(filler, value), min_size=1, max_size=4)


@given(text, st.sampled_from(["redact", "pseudonymise"]))
def test_nothing_of_the_original_value_is_left(pairs: list[tuple[str, str]], policy: str) -> None:
    content = " ".join(f"{a} {b} " for a, b in pairs)

    new = treated_texts(row(content, json.dumps({"reply": content})), policy)

    assert not [v for _, v in pairs for t in new if v in t]
    assert find_kinds(new[0]) == frozenset()
    assert json.loads(new[1]).keys() == {"reply"}


@given(st.lists(text, min_size=1, max_size=5), st.sampled_from(["redact", "pseudonymise"]), st.randoms())
def test_order_and_chunks_make_no_difference(texts: Any, policy: str, random: Any) -> None:
    rows = [row(" ".join(f"{a} {b} " for a, b in pairs), "ok", id=f"r{i}") for i, pairs in enumerate(texts)]
    shuffled = random.sample(rows, len(rows))

    together = treat(rows, checks(policy), KEY).records
    alone = [treat([r], checks(policy), KEY).records[0] for r in shuffled]

    assert {r.id: r for r in together} == {r.id: r for r in alone}


@given(
    st.one_of(st.text(max_size=80), text.map(str), text.map(json.dumps)), st.sampled_from(["redact", "pseudonymise"])
)
def test_treating_a_treated_row_changes_nothing(content: str, policy: str) -> None:
    once = treat([row(content, "ok", extra={"t": content}, group=content or None)], checks(policy), KEY)

    twice = treat(once.records, checks(policy), KEY)

    assert twice.records == once.records
    assert twice.replaced == Counter()
    assume(once.replaced)
    assert once.kinds == [""]
