from __future__ import annotations

from tests.tuneloop.data.relation_rows import (
    ALL_TEST,
    ALL_TRAIN,
    ALL_VALIDATION,
    EXAM,
    MIXED,
    POOL,
    VAULT,
    WITH_EXAM,
    Row,
    a_prompt_for,
    facts_of,
    fate,
)
from tests.tuneloop.data.test_meanings import Initials
from tuneloop.data.duplicates import Duplicate
from tuneloop.data.relations import Relations, question, relate, relation_columns
from tuneloop.recipes import Checks, Data
from tuneloop.records import Message, Record


def test_of_equal_prompts_the_one_with_the_longest_answer_stays() -> None:
    assert fate([Row("a", "late kettle"), Row("b", "late kettle", length=5)], ALL_TRAIN) == {"a": ("exact_copy", "b")}


def test_of_equal_rows_the_one_with_the_smallest_id_stays() -> None:
    rows = [Row("b", "late kettle"), Row("a", "late kettle"), Row("c", "late kettle")]

    assert fate(rows, ALL_TRAIN) == {"b": ("exact_copy", "a"), "c": ("exact_copy", "a")}


def test_a_near_copy_is_named_as_such() -> None:
    rows = [Row("a", "where is my late new blue kettle", length=9), Row("b", "where is my late new blue kettle please")]

    assert fate(rows, ALL_TRAIN) == {"b": ("near_copy", "a")}


def test_a_row_like_a_held_out_one_leaks_and_goes_however_good() -> None:
    rows = [Row("a", "late kettle", length=99), Row("b", "late kettle", held_out=True)]

    assert fate(rows, WITH_EXAM) == {"a": ("leakage", "b")}


def test_the_stricter_split_wins_between_near_copies() -> None:
    start = " ".join(f"word{i}" for i in range(30))
    test, validation, train = (a_prompt_for(s, start) for s in ("test", "validation", "train"))
    rows = [Row("train", train, length=9), Row("validation", validation), Row("test", test)]

    assert fate(rows, MIXED) == {"train": ("leakage", "test"), "validation": ("leakage", "test")}
    assert fate(rows[:2], MIXED) == {"train": ("leakage", "validation")}


def test_a_correction_supersedes_the_row_it_corrects() -> None:
    rows = [Row("old", "late kettle", label="a", length=9), Row("new", "late kettle", feedback=True, label="b")]

    assert fate(rows, ALL_TRAIN) == {"old": ("superseded", "new")}
    assert fate(rows, ALL_VALIDATION) == {"old": ("superseded", "new")}


def test_a_correction_of_a_test_row_goes_and_the_test_row_stays() -> None:
    rows = [Row("old", "late kettle"), Row("new", "late kettle", feedback=True, length=9)]

    assert fate(rows, ALL_TEST) == {"new": ("leakage", "old")}
    assert relate(facts_of(rows), ALL_TEST).splits == ["test", "train"]


def test_equal_prompts_with_different_labels_all_go() -> None:
    rows = [Row("a", "late kettle", label="x"), Row("b", "late kettle", label="y"), Row("c", "late kettle", label="x")]

    assert fate(rows, ALL_TRAIN) == {
        "a": ("contradiction", "b"),
        "b": ("contradiction", "a"),
        "c": ("contradiction", "b"),
    }


def test_a_correction_settles_a_contradiction() -> None:
    rows = [Row("a", "kettle", label="x"), Row("b", "kettle", label="y"), Row("c", "kettle", label="z", feedback=True)]

    assert fate(rows, ALL_TRAIN) == {"a": ("superseded", "c"), "b": ("superseded", "c")}


def test_every_contradicted_row_names_the_opponent_of_the_smallest_id_in_any_order() -> None:
    rows = [Row(name, "late kettle", label=name) for name in "abc"]
    expected = {"a": ("contradiction", "b"), "b": ("contradiction", "a"), "c": ("contradiction", "a")}

    assert fate(rows, ALL_TRAIN) == fate(rows[::-1], ALL_TRAIN) == expected


def test_reviewers_who_disagree_cannot_take_a_test_row_away() -> None:
    rows = [
        Row("old", "late kettle", label="a"),
        Row("one", "late kettle", feedback=True, label="b"),
        Row("two", "late kettle", feedback=True, label="c"),
    ]

    assert fate(rows, ALL_TEST) == {"one": ("leakage", "old"), "two": ("leakage", "old")}


def test_a_row_of_a_held_out_group_may_not_be_trained_on() -> None:
    rows = [Row("a", "kettle", "g", held_out=True), Row("b", "lamp", "g"), Row("c", "bean", "h")]

    assert fate(rows, WITH_EXAM) == {"b": ("leakage", "a")}


def test_a_reviewed_row_of_a_test_group_goes() -> None:
    rows = [Row("a", "kettle", "g"), Row("b", "lamp", "g", feedback=True), Row("c", "bean", feedback=True)]

    assert fate(rows, ALL_TEST) == {"b": ("leakage", "a")}


def test_validation_rows_give_way_to_a_reviewed_row_of_their_group() -> None:
    rows = [Row("a", "kettle", "g"), Row("b", "lamp", "g", feedback=True)]

    assert fate(rows, ALL_VALIDATION) == {"a": ("leakage", "b")}
    assert fate(rows, ALL_TRAIN) == {}


def test_validation_rows_stay_when_the_reviewed_row_of_their_group_goes() -> None:
    data = Data(sources=(POOL, EXAM), train_share=0.0, validation_share=1.0)
    rows = [Row("a", "kettle", "g"), Row("b", "lamp", "g", feedback=True), Row("c", "lamp", held_out=True)]

    assert fate(rows, data) == {"b": ("leakage", "c")}


def test_whatever_is_like_a_private_row_goes_even_a_test_row() -> None:
    rows = [
        Row("exam", "late kettle", held_out=True, length=99),
        Row("pool", "late kettle", length=99),
        Row("review", "late kettle", feedback=True, length=99),
        Row("z", "late kettle", private=True),
    ]

    assert fate(rows, WITH_EXAM) == dict.fromkeys(("exam", "pool", "review"), ("leakage", "z"))


def test_of_private_copies_one_stays() -> None:
    rows = [Row("a", "late kettle", private=True), Row("b", "late kettle", private=True, length=5)]

    assert fate(rows, ALL_TRAIN) == {"a": ("exact_copy", "b")}


def test_no_other_row_can_contradict_a_private_one() -> None:
    rows = [
        Row("exam", "late kettle", held_out=True, label="x"),
        Row("review", "late kettle", feedback=True, label="y"),
        Row("z", "late kettle", private=True, label="w"),
    ]

    assert fate(rows, WITH_EXAM) == {"exam": ("leakage", "z"), "review": ("leakage", "z")}


def test_a_private_source_alone_leaves_the_pool_its_test_part() -> None:
    data = MIXED.model_copy(update={"sources": (POOL, VAULT)})
    rows = [Row("a", a_prompt_for("test")), Row("z", "one bean", private=True)]

    assert relate(facts_of(rows), data).splits == ["test", "private"]


def test_test_rows_of_a_private_group_go_and_then_outrank_nobody() -> None:
    """The reviewed row is a copy of a test row that goes itself: so it stays, and its group's validation row not."""
    rows = [
        Row("private", "bean", "g", private=True),
        Row("test", "late kettle", "g", held_out=True),
        Row("review", "late kettle", "h", feedback=True),
        Row("validation", "lamp", "h"),
    ]
    data = ALL_VALIDATION.model_copy(update={"sources": (POOL, EXAM, VAULT)})

    assert fate(rows, data) == {"test": ("leakage", "private"), "validation": ("leakage", "review")}


def test_the_system_prompt_is_no_part_of_the_question() -> None:
    turns = (Message("system", "Be kind."), Message("user", "Kettle?"), Message("assistant", "x"))

    assert question(Record("a", turns, "pool", 1)) == "Kettle?"


def test_rows_of_one_group_and_only_they_share_a_cluster() -> None:
    rows = [Row("a", "kettle", "g"), Row("b", "lamp", "g"), Row("c", "bean"), Row("d", "bean"), Row("e", "g")]

    a, b, c, d, e = relate(facts_of(rows), ALL_TRAIN).clusters

    assert a == b
    assert c == d
    assert len({a, c, e}) == 3


def says_the_same(data: Data) -> Data:
    return data.model_copy(update={"checks": Checks(same_meaning_cosine=0.99)})


def test_rows_that_say_what_a_test_row_says_leave_training() -> None:
    rows = [
        Row("a", "kettle lamp", held_out=True),
        Row("b", "lime kiwi"),
        Row("c", "kite lion", feedback=True),
        Row("d", "bean"),
    ]
    found = relate(facts_of(rows), says_the_same(WITH_EXAM), embedder=Initials())

    assert found.duplicates == {1: Duplicate("same_meaning", 0), 2: Duplicate("same_meaning", 0)}
    assert relate(facts_of(rows), WITH_EXAM, embedder=Initials()).duplicates == {}


def test_rows_that_say_what_a_private_row_says_leave_the_test_set_too() -> None:
    chain = [
        Row("private", "k k k k l", private=True),
        Row("test", "k k k l l", held_out=True),
        Row("train", "k k l l l"),
    ]
    data = WITH_EXAM.model_copy(update={"checks": Checks(same_meaning_cosine=0.9)})

    found = relate(facts_of(chain), data, embedder=Initials())

    assert found.duplicates == {1: Duplicate("same_meaning", 0)}, "the training row is near to a test row that is gone"


def test_test_rows_that_say_the_same_stay_and_share_a_cluster() -> None:
    rows = [Row("a", "kettle lamp"), Row("b", "lime kiwi"), Row("c", "bean")]

    found = relate(facts_of(rows), says_the_same(ALL_TEST), embedder=Initials())

    assert found.duplicates == {}
    assert found.clusters[0] == found.clusters[1] != found.clusters[2]
    assert found.clusters == relate(facts_of(rows[::-1]), says_the_same(ALL_TEST), embedder=Initials()).clusters[::-1]


def test_training_rows_that_say_the_same_stay() -> None:
    rows = [Row("a", "kettle lamp"), Row("b", "lime kiwi")]

    assert relate(facts_of(rows), says_the_same(ALL_TRAIN), embedder=Initials()).duplicates == {}


def test_only_direct_neighbours_of_a_test_row_leave() -> None:
    chain = [Row("a", "k k k k l", held_out=True), Row("b", "k k k l l"), Row("c", "k k l l l")]
    data = WITH_EXAM.model_copy(update={"checks": Checks(same_meaning_cosine=0.9)})

    assert relate(facts_of(chain), data, embedder=Initials()).duplicates == {1: Duplicate("same_meaning", 0)}


def test_each_kind_of_duplicate_has_a_column_with_the_other_row() -> None:
    rows = [Row("a", "late kettle"), Row("b", "late kettle"), Row("c", "lamp")]

    frame = relation_columns([r.id for r in rows], relate(facts_of(rows), ALL_TRAIN))

    assert frame["exact_copy_of"].tolist() == ["", "a", ""]
    assert frame["near_copy_of"].tolist() == ["", "", ""]
    assert frame["split"].tolist() == ["train"] * 3
    assert frame["splits_in_cluster"].tolist() == [1, 1, 1]


def test_a_cluster_that_stays_in_two_splits_is_seen() -> None:
    torn = Relations(
        duplicates={2: Duplicate("leakage", 0)},
        clusters=["x", "x", "x", "y"],
        splits=["test", "train", "train", "test"],
    )

    assert relation_columns(list("abcd"), torn)["splits_in_cluster"].tolist() == [2, 2, 2, 1]


def test_a_row_that_goes_tears_no_cluster() -> None:
    leak_gone = Relations(duplicates={1: Duplicate("leakage", 0)}, clusters=["x", "x"], splits=["test", "train"])

    assert relation_columns(["a", "b"], leak_gone)["splits_in_cluster"].tolist() == [1, 1]
