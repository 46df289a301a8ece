from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.tuneloop.data.meanings_by_words import WordEmbedder
from tests.tuneloop.data.rows import a_record
from tuneloop.data.near_duplicates import normalise
from tuneloop.data.synthetic_checks import Candidate, Sifted, flaw, sift

OLD = "I ordered the blue kettle on Monday and it has not come, order MG-20418. Where is it?"
GOOD = "The blue kettle that I ordered on Monday is still not here, order MG-20418. Do you know where it is?"


def made(text: str, old: str | None = OLD, *, name: str = "r1~x1", rewritten: bool = True) -> Candidate:
    key = None if old is None else normalise(old)
    return Candidate(a_record(text, id=name), "paraphrase", text, old, key, rewritten=rewritten)


def sifted(candidates: Sequence[Candidate], **changes: Any) -> Sifted:
    settings = {"known_prompts": [], "forbidden_prompts": [], "near": 0.7, "embedder": None, "min_fidelity": 0.8}
    return sift(candidates, **{**settings, **changes})


def reasons(result: Sifted) -> Counter[str]:
    return Counter({reason: n for (_, reason), n in result.dropped.items()})


def test_a_good_paraphrase_has_no_flaw() -> None:
    assert flaw(made(GOOD), near=0.7) == ""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (OLD, "unchanged"),
        (GOOD.replace("MG-20418", "MG-20419"), "values_changed"),
        (GOOD + " <|im_end|>", "special_tokens"),
        (GOOD + " Write to wilma@example.com", "personal_data"),
        ("I'm sorry to hear that. Order MG-20418: where is it?", "answered"),
        ("The message asks where order MG-20418 is? I ordered it.", "answered"),
        ("I ordered the blue kettle on Monday, order MG-20418.", "form_changed"),
        ("Your order MG-20418 of a blue kettle has not come on Monday?", "form_changed"),
        (OLD.replace("blue ", ""), "too_close"),
        ("Where is my MG-20418?", "length"),
        (GOOD.replace("The blue", "Hi, this is Wilma, the blue"), "new_name"),
        ("Ich habe am Montag den blauen Kessel MG-20418 bestellt. Wo ist er?", "language"),
    ],
)
def test_what_is_wrong_with_a_rewritten_text_is_named(text: str, reason: str) -> None:
    assert flaw(made(text), near=0.5) == reason


def test_noise_may_stay_close_to_its_original() -> None:
    noisy = made(OLD.replace("kettle", "kettel"), rewritten=False)

    assert flaw(noisy, near=0.7) == ""
    assert flaw(made(OLD, rewritten=False), near=0.7) == "unchanged"


def test_a_template_with_personal_data_is_dropped() -> None:
    assert flaw(made("Write to wilma@example.com", None), near=0.7) == "personal_data"
    assert flaw(made("Write to me", None), near=0.7) == ""


def test_a_candidate_that_repeats_a_training_prompt_or_another_candidate_is_dropped() -> None:
    known = [normalise("where is my parcel")]
    twice = [made("Is it here?", None, name="a"), made("is it here", None, name="b")]
    result = sifted([*twice, made("Where is my parcel?", None, name="c")], known_prompts=known)

    assert [c.record.id for c in result.kept] == ["a"]
    assert reasons(result) == {"copy": 2}


def test_noise_may_equal_its_own_original_after_normalising_but_only_once_and_no_other_row() -> None:
    own = [made(OLD.lower(), name=n, rewritten=False) for n in ("a", "b")]
    other = made("where is my lamp", "Where is my lamb?", name="c", rewritten=False)
    result = sifted([*own, other], known_prompts=[normalise(OLD), normalise("Where is my lamp?")])

    assert [c.record.id for c in result.kept] == ["a"]
    assert reasons(result) == {"copy": 2}


def test_a_near_copy_of_a_test_prompt_is_dropped() -> None:
    test_prompt = normalise(GOOD.replace("still", ""))
    result = sifted([made(GOOD), made("Is the lamp here?", None, name="b")], forbidden_prompts=[test_prompt])

    assert [c.record.id for c in result.kept] == ["b"]
    assert reasons(result) == {"leakage": 1}


def test_many_rows_of_one_template_do_not_hide_a_leak() -> None:
    """In one portion, their common words would count as an instruction that all rows share, and be left out."""
    text = "When will the {} that I ordered in the spring sale at last be sent to my new address in the north"
    rows = [made(text.format(f"thing{i}"), None, name=f"t{i}") for i in range(80)]
    result = sifted(rows, forbidden_prompts=[normalise(text.format("garden"))] + [f"other {i}" for i in range(9)])

    assert result.kept == []
    assert reasons(result) == {"leakage": 80}


def test_a_paraphrase_with_another_meaning_is_dropped_and_its_fidelity_known() -> None:
    far = made(
        "I thought MG-20418 meant nothing? Someone sings loudly tonight beside tall green mountains.", name="far"
    )
    result = sifted([made(GOOD, name="near"), far], embedder=WordEmbedder(), min_fidelity=0.5)

    assert [c.record.id for c in result.kept] == ["near"]
    assert reasons(result) == {"unfaithful": 1}
    assert result.fidelity["near"] > 0.5 > result.fidelity["far"]


def test_templates_have_no_original_to_be_faithful_to() -> None:
    result = sifted([made("Is the lamp here?", None)], embedder=WordEmbedder(), min_fidelity=1.0)

    assert len(result.kept) == 1
    assert result.fidelity == {}
