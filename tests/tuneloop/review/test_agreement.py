from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.review.answers import said
from tests.tuneloop.review.crowd import careful, careless, judged_by
from tuneloop.review.agreement import Alpha, Level, agreement_by_question, alphas_of, measure_alpha
from tuneloop.review.ledger import reviewed_records

# K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: four observers, twelve units, data
# that are missing left out. Nominal alpha .743, ordinal .815.
FOUR_OBSERVERS = [
    [1, 1, 1],
    [2, 2, 3, 2],
    [3, 3, 3, 3],
    [3, 3, 3, 3],
    [2, 2, 2, 2],
    [1, 2, 3, 4],
    [4, 4, 4, 4],
    [1, 1, 2, 1],
    [2, 2, 2, 2],
    [5, 5, 5],
    [1, 1],
    [3],
]
# The same, section A: two observers, ten articles, yes or no. Alpha .095.
TWO_OBSERVERS = [(0, 1), (1, 1), (0, 1), (0, 0), (0, 0), (0, 1), (0, 0), (0, 0), (1, 0), (0, 0)]
# Section B: two observers, twelve articles, five categories. Alpha .692.
FIVE_CATEGORIES = ["ab", "aa", "bb", "bb", "db", "cc", "cc", "cc", "ee", "dd", "dd", "ad"]


def alpha(values: Sequence[Sequence[str | int]], level: Level = "nominal", reviewers: int = 4) -> Alpha:
    return measure_alpha("question", level, values, reviewers=reviewers)


@pytest.mark.parametrize(
    ("values", "level", "expected"),
    [
        (FOUR_OBSERVERS, "nominal", 0.743),
        (FOUR_OBSERVERS, "ordinal", 0.815),
        (TWO_OBSERVERS, "nominal", 0.095),
        ([list(pair) for pair in FIVE_CATEGORIES], "nominal", 0.692),
    ],
)
def test_alpha_is_that_of_the_textbook(values, level, expected):
    assert alpha(values, level).alpha == pytest.approx(expected, abs=6e-4)


def test_alpha_is_what_one_works_out_by_hand():
    """Records (1 1), (1 2), (2 2): o_11 = 2, o_12 = o_21 = 1, o_22 = 2; n_1 = n_2 = 3. Observed disagreement 2 / 6,
    expected 2 * 3 * 3 / (6 * 5): alpha = 1 - (2 / 6) / (18 / 30) = 4 / 9."""
    found = alpha([(1, 1), (1, 2), (2, 2)])
    assert found.alpha == pytest.approx(4 / 9)
    assert (found.records, found.low, found.high) == (3, None, None)
    assert found.text == "too few records to say more than a guess: at least 10 are needed"


@pytest.mark.parametrize(
    ("values", "reviewers", "text"),
    [
        ([(1,), (2,)], 1, "only one person has answered, so there is nobody to agree with"),
        ([(1,), (2,)], 2, "no record was judged by two people yet"),
        ([(4, 4), (4, 4)], 2, "everybody said 4: agreement beyond chance cannot be told"),
        ([], 2, "no record was judged by two people yet"),
    ],
)
def test_where_there_is_no_figure_it_is_said_why(values, reviewers, text):
    found = alpha(values, reviewers=reviewers)
    assert (found.alpha, found.low, found.high, found.text) == (None, None, None, text)


counts = st.integers(2, 4).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, 3), min_size=size, max_size=size).filter(lambda c: sum(c) >= 2), min_size=2, max_size=12
    )
)


@given(counts, st.sampled_from(["nominal", "ordinal"]))
def test_alpha_is_that_of_the_library(rows, level):
    krippendorff = pytest.importorskip("krippendorff", reason="GPL-3.0: only in the development environment")
    table = np.array(rows)
    if (table.sum(axis=0) > 0).sum() < 2:
        assert np.isnan(alphas_of(np.ones((1, len(table))), table, level)[0])
        return
    used = table[:, table.sum(axis=0) > 0]
    expected = krippendorff.alpha(
        value_counts=used, value_domain=list(range(used.shape[1])), level_of_measurement=level
    )
    assert alphas_of(np.ones((1, len(used))), used, level)[0] == pytest.approx(expected, abs=1e-9)


def test_ordinal_values_stand_in_the_order_of_their_numbers():
    """10 comes after 9, though its first digit does not: 6 to 10 are 1 to 5 under other names."""
    low = [(n % 5 + 1, min(n % 5 + 2, 5)) for n in range(12)]
    high = [(a + 5, b + 5) for a, b in low]
    assert alpha(high, "ordinal", 2).alpha == alpha(low, "ordinal", 2).alpha


def test_perfect_agreement_on_few_records_is_not_certain():
    found = alpha([(n % 5, n % 5) for n in range(12)], "ordinal", 2)
    assert found.alpha == 1.0
    assert found.low is not None
    assert 0.3 < found.low < 0.9
    many = alpha([(n % 5, n % 5) for n in range(400)], "ordinal", 2)
    assert many.low is not None
    assert many.low > 0.97


def rating_alpha(people, records: int = 60) -> Alpha:
    answers = judged_by(people, records=records, per_record=2, seed=3)
    return agreement_by_question(reviewed_records(answers))[0]


def test_careful_people_agree_and_careless_ones_do_not():
    together = rating_alpha({"a": careful, "b": careful, "c": careful})
    apart = rating_alpha({"a": careless, "b": careless, "c": careless})
    assert together.low is not None
    assert together.low > 0.667
    assert together.text == "reliable"
    assert apart.low is not None
    assert apart.low < 0 < apart.high
    assert "chance" in apart.text or apart.text == "weak"


def test_the_interval_does_not_depend_on_the_order_of_the_records():
    answers = judged_by({"a": careful, "b": careless}, records=30, per_record=2, seed=1)
    there = agreement_by_question(reviewed_records(answers))
    back = agreement_by_question(list(reversed(reviewed_records(answers))))
    assert there == back


def test_every_question_that_was_answered_has_a_figure_or_a_reason():
    answers = [
        said(
            response_id=f"{who}{n}",
            item_id=f"i{n}",
            reviewer=who,
            rating=4,
            dimensions={"safety": n % 5 + 1},
            preferred="answer" if n % 2 else "tie",
            issues=("style", "flag:harmful") if n % 3 else (),
        )
        for n in range(12)
        for who in "ab"
    ]
    found = {a.question: (a.level, a.alpha) for a in agreement_by_question(reviewed_records(answers))}
    assert found == {
        "rating": ("ordinal", None),
        "safety": ("ordinal", 1.0),
        "preferred": ("nominal", 1.0),
        "issue: style": ("nominal", 1.0),
        "flag": ("nominal", 1.0),
    }


def test_what_nobody_was_asked_is_not_listed():
    assert [a.question for a in agreement_by_question(reviewed_records([said(issues=())]))] == ["rating"]
