from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.data.rows import a_record
from tuneloop.data.relations import relate
from tuneloop.data.splitting import STRICTEST_FIRST
from tuneloop.recipes import AnswerFormat, Data, Source
from tuneloop.records import Message, Record

POOL = Source(name="pool", path="x")
EXAM = Source(name="exam", path="y", held_out=True)
WORDS = ["kettle", "late", "lamp", "broken", "where", "refund", "bean"]


def kinds(records: list[Record], data: Data, feedback: tuple[str, ...] = ()) -> dict[str, str]:
    return {records[i].id: twin.kind for i, twin in relate(records, data, feedback).twins.items()}


def test_a_training_row_like_a_test_row_leaks_and_goes() -> None:
    records = [a_record("where is my late kettle", id="a"), a_record("Where is my late kettle?", id="b", held_out=True)]

    assert kinds(records, Data(sources=(POOL, EXAM))) == {"a": "leakage"}


def test_the_system_prompt_does_not_make_rows_alike() -> None:
    system = Message("system", " ".join(f"rule{i}" for i in range(50)))
    records = [
        Record(name, (system, Message("user", name), Message("assistant", "x")), "pool", 1)
        for name in ("kettle", "lamp")
    ]

    assert kinds(records, Data(sources=(POOL,))) == {}


def test_a_correction_wins_over_the_row_it_corrects() -> None:
    answer = AnswerFormat(kind="json", labels={"k": ("a", "b")})
    records = [
        a_record("late kettle", '{"k": "a"}', id="old"),
        a_record("late kettle", '{"k": "b"}', id="new", source="reviews"),
    ]
    data = Data(sources=(POOL,), answer=answer, train_share=1.0, validation_share=0.0)

    assert kinds(records, data, ("reviews",)) == {"old": "exact_copy"}


def test_a_correction_of_a_test_row_goes_and_the_test_row_stays() -> None:
    records = [a_record("late kettle", id="old"), a_record("late kettle", "Longer.", id="new", source="reviews")]
    data = Data(sources=(POOL,), train_share=0.0, validation_share=0.0)

    assert kinds(records, data, ("reviews",)) == {"new": "leakage"}


def test_a_row_of_a_tested_group_may_not_be_trained_on() -> None:
    records = [a_record("kettle", group="g", held_out=True), a_record("lamp", group="g"), a_record("bean", group="h")]

    assert kinds(records, Data(sources=(POOL, EXAM))) == {"lamp": "leakage"}


def test_a_correction_takes_its_validation_cluster_into_training() -> None:
    records = [a_record("late kettle", id="old"), a_record("late kettle", id="new", source="reviews")]
    data = Data(sources=(POOL,), train_share=0.0, validation_share=1.0)

    assert set(relate(records, data, ("reviews",)).splits) == {"train"}


some_prompts = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), max_size=12)


def numbered(prompts: list[str], start: int = 0) -> list[Record]:
    return [a_record(p, id=str(i), group=("g" if i % 5 == 4 else None)) for i, p in enumerate(prompts, start)]


@settings(max_examples=30)
@given(some_prompts, some_prompts)
def test_no_row_ever_moves_to_a_laxer_split_as_data_grows(first: list[str], more: list[str]) -> None:
    data = Data(sources=(POOL,), train_share=0.4, validation_share=0.3)
    before = numbered(first)
    after = [*before, *numbered(more, len(before))]

    old, new = relate(before, data).splits, relate(after, data).splits

    for was, now in zip(old, new, strict=False):
        assert STRICTEST_FIRST.index(now) <= STRICTEST_FIRST.index(was)


@settings(max_examples=30)
@given(some_prompts, st.randoms())
def test_the_order_of_rows_does_not_matter_for_the_split(prompts: list[str], shuffler: object) -> None:
    data = Data(sources=(POOL,), train_share=0.4, validation_share=0.3)
    records = numbered(prompts)
    shuffled = list(records)
    shuffler.shuffle(shuffled)  # type: ignore[attr-defined]

    def splits(rows: list[Record]) -> dict[str, str]:
        return {r.id: s for r, s in zip(rows, relate(rows, data).splits, strict=True)}

    assert splits(records) == splits(shuffled)


@settings(max_examples=30)
@given(some_prompts, some_prompts, some_prompts, st.booleans())
def test_what_stays_never_shares_a_cluster_between_splits(
    pool: list[str],
    reviews: list[str],
    exam: list[str],
    with_exam: bool,  # noqa: FBT001
) -> None:
    records = [
        *numbered(pool),
        *(a_record(p, id=f"r{i}", source="reviews") for i, p in enumerate(reviews)),
        *(a_record(p, id=f"e{i}", source="exam", held_out=True) for i, p in enumerate(exam if with_exam else [])),
    ]
    sources = (POOL, EXAM) if with_exam else (POOL,)
    relations = relate(records, Data(sources=sources, train_share=0.4, validation_share=0.3), ("reviews",))

    where: dict[str, str] = {}
    for i, record in enumerate(records):
        if i not in relations.twins:
            assert where.setdefault(relations.clusters[i], relations.splits[i]) == relations.splits[i]
            assert record.source != "reviews" or relations.splits[i] == "train"
            assert not with_exam or (relations.splits[i] == "test") == record.held_out
