"""The table of places and the page that lists every copy of a person's words say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tuneloop.workflows.forgetting.places import places

PAGE = Path("docs/personal-data.md").read_text(encoding="utf-8")
LISTED = {
    line.split("|")[1].strip() for line in PAGE.splitlines() if re.match(r"\| [^|]+\| [^|]+\| [^|]+\| [^|]+\|", line)
}


@pytest.mark.parametrize("place", places(), ids=lambda place: place.name)
def test_every_place_is_on_the_page(place: object) -> None:
    assert place.name in LISTED


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/0123/train.parquet", "data versions"),
        ("data/.staging-x/rows.arrow", "staging of the data step"),
        ("review-files/shop/.desk/imported/a.xlsx", "review sheets"),
        ("review-files/shop/.desk/sets/shop-round-1.jsonl", "kept review sets"),
        ("models/shop/key/adapter/tokenizer.json", "weights and tokenizers"),
        ("models/shop/key/report.json", "reports of trainings"),
        ("models/base/org--name/config.json", "weights and tokenizers"),
        ("mlflow/artifacts/1/model/tokenizer.json", "weights in MLflow"),
        ("feedback/shop/asked.jsonl", "prompts that were asked"),
        ("feedback/shop/responses.jsonl", "feedback"),
        ("feedback/shop/sets/shop-round-1.jsonl", "review sets"),
        ("generations/own-answers-1.jsonl", "cache of readings"),
    ],
)
def test_a_file_is_treated_as_what_it_is(path: str, name: str) -> None:
    assert next(place.name for place in places() if place.has(path)) == name
