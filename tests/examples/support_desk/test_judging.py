import json
import random
from pathlib import Path

import pytest

from examples.support_desk import annotators
from examples.support_desk.judging import find_issues, judge, with_a_view_of_ones_own
from tuneloop.review.gold import read_gold

DESK = Path(annotators.__file__).parent
ROWS = [json.loads(line) for line in Path(annotators.GOLD).read_text().splitlines()]
PROMPT = "The toaster sparked and smoked when I pressed the lever, order MG-12345."
GOLD = {
    "category": "technical",
    "urgency": "high",
    "sentiment": "negative",
    "summary": "Toaster sparked and smoked",
    "reply": "Sparks and smoke from the toaster are serious, so please unplug it and do not use it again. "
    "We will check MG-12345 today and write to you with the next step. Mossgate Care",
}


def issues(**changes):
    return find_issues(PROMPT, json.dumps(GOLD | changes), GOLD)


def test_every_gold_answer_of_the_demo_keeps_the_rules():
    judged = [judge(row["prompt"], row["completion"], row["completion"]) for row in ROWS]
    assert {(j.rating, j.issues, j.correction) for j in judged} == {(5, (), None)}


def test_the_hidden_gold_items_have_the_ratings_that_the_house_rules_give():
    known = {row["prompt"]: row["completion"] for row in ROWS}
    items = read_gold(DESK / "gold.jsonl")
    assert {item.prompt: item.rating for item in items} == {
        item.prompt: judge(item.prompt, item.answer, known[item.prompt]).rating for item in items
    }
    assert {item.rating for item in items} == {1, 2, 3, 4, 5}, "bad ones and good ones, or everybody learns to say 1"


@pytest.mark.parametrize("answer", ["", "Hello!", "[1]", json.dumps(GOLD, indent=1), json.dumps({"reply": "x"})])
def test_anything_but_the_one_object_is_not_json_and_unusable(answer):
    found = judge(PROMPT, answer, json.dumps(GOLD))
    assert (found.rating, found.issues, found.correction) == (1, ("not_json",), json.dumps(GOLD))


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ()),
        ({"category": "returns"}, ("wrong_category",)),
        ({"urgency": "low", "sentiment": "neutral"}, ("wrong_sentiment", "wrong_urgency")),
        ({"summary": "Toaster sparked."}, ("bad_summary",)),
        ({"summary": "word " * 13}, ("bad_summary",)),
        ({"reply": GOLD["reply"].replace("serious", "an inconvenience")}, ("voice",)),
        ({"reply": GOLD["reply"].removesuffix(" Mossgate Care")}, ("voice",)),
        ({"reply": GOLD["reply"].replace("today and", "today! And")}, ("voice",)),
        ({"reply": GOLD["reply"].replace("MG-12345", "MG-99999")}, ("invented_fact",)),
        ({"reply": GOLD["reply"].replace("please unplug it and do not use it again", "we are sorry")}, ("unsafe",)),
        ({"reply": GOLD["reply"].replace("the next step", "a request for your card number")}, ("unsafe",)),
    ],
)
def test_each_rule_has_its_tag(changes, found):
    assert issues(**changes) == found


def test_annotators_agree_mostly_and_differ_a_little():
    sound = judge(PROMPT, json.dumps(GOLD), json.dumps(GOLD))
    ratings = [with_a_view_of_ones_own(sound, random.Random(n)).rating for n in range(400)]
    assert 0.9 < ratings.count(5) / 400 < 1.0


def test_the_prefilled_answer_is_sent_along_where_nothing_was_changed():
    sound = judge(PROMPT, json.dumps(GOLD), json.dumps(GOLD))
    sent = annotators.response_of(sound, "the answer")
    assert sent == {"status": "submitted", "values": {"rating": {"value": 5}, "correction": {"value": "the answer"}}}
