"""The demo's own data against its key of flaws: every flaw is caught, and the clean rows are left in peace."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import examples.support_desk
from expectations.validating import SuiteValidator
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.recipes import AnswerFormat, Data, Model, Recipe, Source
from tuneloop.results import DataReport
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.integration

DESK = Path(examples.support_desk.__file__).parent
REASONS = {
    # A copy that belongs to another split than the row that stays is a leak.
    "exact_copy": {"exact_copy", "leakage"},
    "near_copy": {"near_copy", "leakage"},
    "contradicting_twin": {"contradiction"},
    "broken_json": {"broken_json"},
    "bad_answer": {"bad_answer"},
    "schema": {"missing_field", "wrong_type", "empty_field"},
    "html_noise": {"html"},
    "email_noise": {"quoted_mail", "personal_data"},  # who is named as a mail's sender counts as a person
    "prompt_injection": {"prompt_injection", "special_tokens"},
    "wrong_language": {"language", "personal_data"},  # the English name model sees people in a few German words
}
"""Flaw -> the reasons that count as catching it; all kinds of pii_ are personal_data."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    answer = AnswerFormat(
        kind="json",
        required_keys=("category", "urgency", "sentiment", "summary", "reply"),
        labels={
            "category": (
                "delivery",
                "returns",
                "billing",
                "account",
                "technical",
                "product",
                "subscription",
                "feedback",
            ),
            "urgency": ("low", "normal", "high"),
            "sentiment": ("negative", "neutral", "positive"),
        },
    )
    sources = (Source(name="desk", path="train.jsonl"), Source(name="held-out", path="heldout.jsonl", held_out=True))
    recipe = Recipe(name="desk", model=Model(base="none"), data=Data(sources=sources, answer=answer))
    return prepare_data(
        recipe, validator=SuiteValidator(), root=DESK, workspace=tmp_path_factory.mktemp("ws"), counter=WordCounter()
    )


@pytest.fixture(scope="module")
def quarantine(report: DataReport) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def flaws() -> dict[int, str]:
    return {k["line"]: k["flaw"] for k in map(json.loads, (DESK / "flaws.jsonl").read_text().splitlines())}


def id_of_line(number: int) -> str | None:
    try:
        row = json.loads((DESK / "train.jsonl").read_text().splitlines()[number - 1])
    except ValueError:
        return None
    return row.get("id") if isinstance(row, dict) else None


def test_every_flaw_is_caught_for_the_right_reason(quarantine: list[dict[str, Any]], flaws: dict[int, str]) -> None:
    # Of a row and its copy either may stay, so a copy is caught as well when the row it copies went because of it.
    by_line: dict[int, set[str]] = defaultdict(set)
    by_related: dict[str | None, set[str]] = defaultdict(set)
    for q in (q for q in quarantine if q["source"] == "desk"):
        by_line[q["line"]].add(q["reason"])
        by_related[q["related"]].add(q["reason"])
    missed = {
        line: flaw
        for line, flaw in flaws.items()
        if not (by_line[line] | (by_related[id_of_line(line)] if flaw.endswith("_copy") else set()))
        & REASONS.get(flaw, {"personal_data"})
    }

    assert missed == {}


def test_at_most_two_in_a_hundred_clean_rows_are_touched(
    report: DataReport, quarantine: list[dict[str, Any]], flaws: dict[int, str]
) -> None:
    flawed_ids = {id_of_line(line) for line in flaws} - {None}
    touched = [
        q for q in quarantine if (q["source"] != "desk" or q["line"] not in flaws) and q["related"] not in flawed_ids
    ]

    assert len(touched) <= 0.02 * (report.rows_in - len(flaws))
    assert not [q for q in touched if q["source"] == "held-out"]


def test_the_rows_that_are_left_are_enough_and_add_up(report: DataReport) -> None:
    assert report.rows_test == 150
    assert report.rows_train + report.rows_validation >= 600
    assert report.rows_in == (
        report.rows_train + report.rows_validation + report.rows_test + report.rows_quarantined + report.rows_unused
    )
