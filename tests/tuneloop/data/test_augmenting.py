from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.data.meanings_by_words import WordEmbedder
from tests.tuneloop.data.rows import a_record
from tuneloop.data.augmenting import Augmented, augment
from tuneloop.data.balance import repeats_of
from tuneloop.data.near_duplicates import normalise
from tuneloop.errors import DataError
from tuneloop.recipes import AnswerFormat, Augmentation
from tuneloop.records import Message, Record

THINGS = (
    "kettle",
    "garden bench",
    "reading lamp",
    "coffee grinder",
    "linen cover",
    "hose reel",
    "bread maker",
    "duvet",
)
TEMPLATES = (
    "templates: [{name: hello, prompt: 'Do you sell a {thing}?', answer: 'Yes.', slots: {thing: [tent, stove]}}]"
)


def train_rows(count: int = 8) -> list[Record]:
    return [
        a_record(f"Please tell me where my {THINGS[i % 8]} from order MG-{i:05} is today.", f"Answer {i}", id=f"r{i}")
        for i in range(count)
    ]


class Reverser:
    """A rewriter that says a sentence from the end, which keeps all words and no word triple."""

    def rewrite(self, texts: Sequence[str], instruction: str) -> list[str]:
        return [" ".join(reversed(text.rstrip(".").lower().split())) for text in texts]


def made(
    train: Sequence[Record], *methods: str, rewriter: Any = None, embedder: Any = None, **changes: Any
) -> Augmented:
    root = changes.pop("root", Path())
    forbidden = changes.pop("forbidden_prompts", [])
    return augment(
        train,
        Augmentation(methods=methods, **changes),
        root=root,
        embedder=embedder,
        rewriter=rewriter,
        forbidden_prompts=forbidden,
        answer=AnswerFormat(),
    )


def test_a_synthetic_row_has_the_answer_and_source_of_its_origin_and_says_what_it_is() -> None:
    train = train_rows()
    origins = {r.id: r for r in train}
    result = made(train, "noise")

    assert len(result.rows) == len(train)
    for row in result.rows:
        origin = origins[row.extra["synthetic"]["of"]]
        assert row.id == f"{origin.id}~noise1"
        assert row.extra["synthetic"]["method"] == "noise"
        assert (row.completion, row.source, row.line) == (origin.completion, origin.source, origin.line)
        assert row.prompt != origin.prompt
        assert not row.held_out


def test_only_training_rows_are_made_of_and_none_is_near_a_test_prompt() -> None:
    train = train_rows()
    result = made(train, "noise", forbidden_prompts=[normalise(train[0].prompt)])

    assert {r.extra["synthetic"]["of"] for r in result.rows} == {r.id for r in train[1:]}
    assert result.facts["noise_dropped_leakage"] == 1


def test_per_row_makes_several_different_rows_of_each() -> None:
    result = made(train_rows(), "noise", per_row=3, max_share=1.0)

    assert len({r.id for r in result.rows}) == len({r.prompt for r in result.rows}) == len(result.rows) > 16
    assert result.facts["noise_tried"] == 24


@given(st.permutations(train_rows()), st.integers(1, 8), st.sampled_from([0.2, 0.5, 0.9]))
def test_what_is_made_of_a_row_does_not_depend_on_its_place(order: list[Record], count: int, share: float) -> None:
    chosen = train_rows()[:count]
    shuffled = [r for r in order if r in chosen]

    assert made(shuffled, "noise", max_share=share).rows == made(chosen, "noise", max_share=share).rows


@given(st.integers(1, 30), st.floats(0, 0.95))
def test_synthetic_rows_are_at_most_max_share_of_all(count: int, share: float) -> None:
    result = made(train_rows(count), "noise", per_row=2, max_share=share)

    assert len(result.rows) <= share * (count + len(result.rows)) + 1e-6
    assert result.facts["noise_kept"] == len(result.rows)


def test_copies_of_upsampled_rows_count_for_the_share_and_are_no_origins() -> None:
    train = train_rows()
    repeats = [copy for row in train[:4] for copy in repeats_of(row, 1)]
    result = made([*train, *repeats], "noise", max_share=0.5)

    assert len(result.rows) == 4
    assert result.facts["noise_tried"] == 8


def test_everything_tried_is_kept_or_dropped_for_a_reason() -> None:
    facts = made(train_rows(20), "noise", per_row=2, max_share=0.4).facts
    dropped = sum(n for name, n in facts.items() if name.startswith("noise_dropped_"))

    assert facts["noise_tried"] == facts["noise_kept"] + dropped


def test_a_paraphrase_is_checked_and_its_fidelity_reported() -> None:
    result = made(train_rows(), "paraphrase", rewriter=Reverser(), embedder=WordEmbedder())

    assert result.facts["paraphrase_kept"] == 8
    assert result.facts["fidelity_median"] == pytest.approx(1, abs=1e-3)
    assert result.facts["likeness_to_origin"] == 0
    assert {"distinct_2", "distinct_2_real", "pairwise_cosine", "pairwise_cosine_real"} <= result.facts.keys()


def test_a_translation_there_and_back_that_says_the_same_adds_nothing() -> None:
    result = made(train_rows(), "back_translation", rewriter=Reverser(), embedder=WordEmbedder())

    assert result.rows == []
    assert result.facts["back_translation_dropped_too_close"] == 8


def test_earlier_turns_stay_as_they_are() -> None:
    turns = [
        ("system", "Be kind."),
        ("user", "Hello there, everybody"),
        ("assistant", "Hello."),
        ("user", "Where is it"),
    ]
    messages = (*(Message(role, text) for role, text in turns), Message("assistant", "Here."))
    row = Record("r", messages, "pool", 1)
    (synthetic,) = made([row], "noise").rows

    assert synthetic.messages[:3] == row.messages[:3]
    assert synthetic.messages[3] != row.messages[3]
    assert synthetic.messages[4] == row.messages[4]


def test_templates_give_rows_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATES)
    result = made(train_rows(), "templates", root=tmp_path, templates="t.yaml")

    assert {r.prompt for r in result.rows} == {"Do you sell a tent?", "Do you sell a stove?"}
    assert result.facts["templates_kept"] == 2


def test_a_template_that_repeats_a_test_prompt_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATES)
    forbidden = [normalise("do you sell a tent")]
    result = made(train_rows(), "templates", root=tmp_path, templates="t.yaml", forbidden_prompts=forbidden)

    assert [r.prompt for r in result.rows] == ["Do you sell a stove?"]


@pytest.mark.parametrize(
    ("method", "have", "message"),
    [
        ("paraphrase", {"embedder": WordEmbedder()}, "language model"),
        ("back_translation", {"rewriter": Reverser()}, "sentence vectors"),
        ("templates", {}, r"data\.augmentation\.templates"),
    ],
)
def test_a_method_that_lacks_what_it_needs_is_refused(method: str, have: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        made(train_rows(), method, **have)


def test_facts_are_numbers_only() -> None:
    assert all(type(value) is float for value in made(train_rows(), "noise").facts.values())


def test_no_rows_give_no_rows() -> None:
    assert made([], "noise") == Augmented([], {})
