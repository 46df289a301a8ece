from tuneloop.review.accepting import accept_from_traffic
from tuneloop.review.rows import read_rows

ROW = {
    "id": "t1",
    "time": "2026-11-01T10:00:00+00:00",
    "prompt": "p",
    "answer": "draft",
    "model": "m",
    "sent": "better",
}


def test_what_was_sent_becomes_a_training_row(tmp_path):
    assert accept_from_traffic([ROW], folder=tmp_path) == 1
    assert read_rows(tmp_path / "accepted.jsonl") == [
        {
            "id": "traffic/t1",
            "prompt": "p",
            "completion": "better",
            "created_at": "2026-11-01T10:00:00+00:00",
            "group": "t1",
            "extra": {"model": "m", "edited": True, "label": True},
        }
    ]


def test_a_draft_that_was_not_sent_teaches_nothing(tmp_path):
    rows = [ROW | {"id": "a", "sent": None}, ROW | {"id": "b", "sent": " "}, {k: ROW[k] for k in ROW if k != "sent"}]
    assert accept_from_traffic(rows, folder=tmp_path) == 0


def test_a_draft_that_was_sent_untouched_is_marked(tmp_path):
    accept_from_traffic([ROW | {"sent": "draft\n"}], folder=tmp_path)
    assert read_rows(tmp_path / "accepted.jsonl")[0]["extra"]["edited"] is False


def test_a_row_counts_once_and_outlives_the_log(tmp_path):
    accept_from_traffic([ROW, ROW], folder=tmp_path)
    before = (tmp_path / "accepted.jsonl").read_bytes()
    assert accept_from_traffic([ROW], folder=tmp_path) == 1
    assert accept_from_traffic([], folder=tmp_path) == 1
    assert (tmp_path / "accepted.jsonl").read_bytes() == before
