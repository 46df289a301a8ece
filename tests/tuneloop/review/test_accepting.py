from tuneloop.review.collecting import accept_from_traffic
from tuneloop.review.rows import read_rows

ROW = {
    "id": "t1",
    "time": "2026-11-01T10:00:00+00:00",
    "prompt": "p",
    "answer": "draft",
    "model": "m",
    "sent": "better",
}


class Anything:
    """A policy under which everything is stored as it came."""

    name = "anything"

    def __call__(self, rows):
        return list(rows)


class Upper(Anything):
    """One that changes what it stores, and stores no row about cats."""

    name = "upper"

    def __call__(self, rows):
        return [None if "cat" in row["prompt"] else row | {"prompt": row["prompt"].upper()} for row in rows]


def test_what_was_sent_becomes_a_training_row(tmp_path):
    assert accept_from_traffic([ROW], folder=tmp_path, policy=Anything()) == 1
    assert read_rows(tmp_path / "accepted.jsonl") == [
        {
            "id": "traffic/t1",
            "prompt": "p",
            "completion": "better",
            "created_at": "2026-11-01T10:00:00+00:00",
            "group": "t1",
            "extra": {"model": "m", "edited": True, "label": True, "treated": "anything"},
        }
    ]


def test_a_draft_that_was_not_sent_teaches_nothing(tmp_path):
    rows = [ROW | {"id": "a", "sent": None}, ROW | {"id": "b", "sent": " "}, {k: ROW[k] for k in ROW if k != "sent"}]
    assert accept_from_traffic(rows, folder=tmp_path, policy=Anything()) == 0


def test_a_draft_that_was_sent_untouched_is_marked(tmp_path):
    accept_from_traffic([ROW | {"sent": "draft\n"}], folder=tmp_path, policy=Anything())
    assert read_rows(tmp_path / "accepted.jsonl")[0]["extra"]["edited"] is False


def test_a_row_counts_once_and_outlives_the_log(tmp_path):
    accept_from_traffic([ROW, ROW], folder=tmp_path, policy=Anything())
    before = (tmp_path / "accepted.jsonl").read_bytes()
    assert accept_from_traffic([ROW], folder=tmp_path, policy=Anything()) == 1
    assert accept_from_traffic([], folder=tmp_path, policy=Anything()) == 1
    assert (tmp_path / "accepted.jsonl").read_bytes() == before


def test_nothing_is_stored_before_the_policy_has_seen_it_and_each_row_is_treated_once(tmp_path):
    rows = [ROW, ROW | {"id": "t2", "prompt": "my cat"}]
    assert accept_from_traffic(rows, folder=tmp_path, policy=Upper()) == 1
    assert [row["prompt"] for row in read_rows(tmp_path / "accepted.jsonl")] == ["P"]
    before = (tmp_path / "accepted.jsonl").read_bytes()
    accept_from_traffic(rows, folder=tmp_path, policy=Upper())
    assert (tmp_path / "accepted.jsonl").read_bytes() == before


def test_what_an_earlier_release_stored_raw_is_treated_too(tmp_path):
    accept_from_traffic([ROW], folder=tmp_path, policy=Anything())
    accept_from_traffic([], folder=tmp_path, policy=Upper())
    (row,) = read_rows(tmp_path / "accepted.jsonl")
    assert (row["prompt"], row["extra"]["treated"]) == ("P", "upper")
