import json
from collections import Counter

import pytest

from tests.tuneloop.review.items import item
from tuneloop.errors import DataError
from tuneloop.review.gold import GoldItem, disguise, gold_count, gold_row, item_id, pick_gold, read_gold

ROW = {"prompt": "Where is my lamp?", "answer": "No idea.", "rating": 1}
PAIR = {"prompt": "Is it late?", "answer": "Yes, by two days.", "alternative": "?", "preferred": "answer"}


def written(tmp_path, *rows):
    file = tmp_path / "gold.jsonl"
    file.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return file


def test_a_gold_file_has_ratings_and_comparisons(tmp_path):
    rated, compared = read_gold(written(tmp_path, ROW, "", PAIR))
    assert (rated.rating, rated.tolerance, rated.preferred) == (1, 1, None)
    assert (compared.rating, compared.preferred) == (None, "answer")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{torn", "line 2 is not JSON"),
        ("[1]", "line 2"),
        (ROW | {"rating": 6}, "line 2: rating: .*5"),
        ({"prompt": "a", "answer": "b"}, "needs a `rating` from 1 to 5"),
        (ROW | {"alternative": "x"}, "belong together"),
        (ROW | {"preferred": "answer"}, "belong together"),
        (ROW | {"ratng": 3}, "line 2: ratng"),
        ({"answer": "b", "rating": 1}, "line 2: prompt"),
        (ROW | {"prompt": " WHERE is my lamp?"}, "1 prompts on more than one line"),
    ],
)
def test_a_broken_gold_file_is_reported_with_line_and_key_and_without_its_text(tmp_path, row, said):
    with pytest.raises(DataError, match=said) as error:
        read_gold(written(tmp_path, ROW, row))
    assert "lamp" not in str(error.value)


def test_a_gold_file_that_is_not_there_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match=r"review\.gold"):
        read_gold(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("records", "share", "count"), [(16, 0.1, 2), (18, 0.1, 2), (24, 0.0, 0), (9, 0.5, 9), (4, 1, 4)]
)
def test_gold_items_are_a_share_of_the_whole_set(records, share, count):
    assert gold_count(records, share) == count


def test_gold_items_are_spread_over_sets_before_any_is_used_again():
    items = [GoldItem(prompt=f"p{n}", answer="a", rating=3) for n in range(6)]
    used, times = [], Counter()
    for number in range(5):
        picked = pick_gold(items, review_set=f"set-{number}", count=3, used=used)
        assert len({p.prompt for p in picked}) == 3
        used += [gold_row(p, f"set-{number}") for p in picked]
        times.update(p.prompt for p in picked)
    assert set(times.values()) <= {2, 3}
    assert len(times) == 6


def test_a_set_never_has_a_gold_item_twice():
    assert len(pick_gold([GoldItem(**ROW)], review_set="s", count=5, used=[])) == 1


def test_nothing_but_its_text_tells_a_gold_item_from_the_others():
    others = [
        item(
            f"p{n}",
            scores={"log_probability": -0.1 * n, "answer_words": n},
            labels={"chosen_by": ("random", "uncertain")[n % 2]},
        )
        for n in range(1, 9)
    ]
    gold = item("gold", scores={"answer_words": 3.0}, vector=(1.0, 0.0))
    found = disguise(gold, others, of_text=frozenset({"answer_words"}), seed="s")
    assert (found.id, found.prompt, found.answer, found.vector) == (item_id("gold"), "gold", gold.answer, (1.0, 0.0))
    assert found.scores.keys() == others[0].scores.keys()
    assert found.scores["answer_words"] == 3.0
    assert -0.8 < found.scores["log_probability"] < -0.1
    assert found.scores["log_probability"] not in {other.scores["log_probability"] for other in others}
    assert found.labels in [other.labels for other in others]


def test_the_private_line_says_which_answer_is_better_as_it_stands_in_the_set():
    compared = GoldItem(**PAIR)
    assert gold_row(compared, "s")["preferred"] == "answer"
    assert gold_row(compared, "s", swapped=True)["preferred"] == "alternative"
