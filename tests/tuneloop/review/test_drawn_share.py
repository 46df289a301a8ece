from tests.tuneloop.review.answers import said
from tuneloop.review.judging import Judgement
from tuneloop.review.ledger import reviewed_records
from tuneloop.review.quality import quality_by_model


def rated(rating: int, **changes) -> Judgement:
    (record,) = reviewed_records([said(rating=rating, **changes)])
    return Judgement(record, record.answers, rating=rating)


def test_only_records_drawn_from_all_open_prompts_tell_how_good_a_model_is():
    judgements = [
        rated(4, labels={"chosen_by": "random"}),
        rated(1, labels={"chosen_by": "uncertain"}),
        rated(1, labels={"chosen_by": "random"}, kind="drifted_slice"),
        rated(1),
    ]
    (found,) = quality_by_model(judgements)
    assert (found.model, found.rating.value, found.rating.n) == ("abc", 4.0, 1)
