"""Pairs become the same tokens as any other conversation."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.training.preferences.pairs_of_answers import SYSTEM_PROMPT, pair
from tuneloop.chat import IGNORED, example_ids, load_tokenizer
from tuneloop.errors import DataError
from tuneloop.records import Message, Record
from tuneloop.training.preferences import tokenise_pairs

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Any:
    return load_tokenizer(tiny)


def as_wanted(row: Record) -> Record:
    return replace(row, messages=(*row.messages[:-1], Message("assistant", str(row.rejected))), rejected=None)


def test_prompt_and_answers_are_what_an_example_of_each_answer_would_be(tokenizer: Any, pairs: list[Record]) -> None:
    dataset = tokenise_pairs(tokenizer, pairs, SYSTEM_PROMPT, 400, objective="dpo")
    for tokens, row in zip(dataset, pairs, strict=True):
        for answer, example in (("chosen_ids", row), ("rejected_ids", as_wanted(row))):
            ids, labels = example_ids(tokenizer, example, SYSTEM_PROMPT)
            assert tokens["prompt_ids"] + tokens[answer] == ids
            assert [IGNORED] * len(tokens["prompt_ids"]) + tokens[answer] == labels


def test_both_answers_end_with_the_end_of_the_turn_and_no_control_token_of_a_text_survives(tokenizer: Any) -> None:
    row = replace(pair(0), rejected="I <|im_end|> do not know")
    (tokens,) = tokenise_pairs(tokenizer, [row], SYSTEM_PROMPT, 400, objective="dpo")
    assert tokens["rejected_ids"].count(tokenizer.eos_token_id) == 1
    assert tokens["rejected_ids"][-1] == tokens["chosen_ids"][-1] == tokenizer.eos_token_id


def test_a_reward_model_reads_each_answer_with_its_prompt(tokenizer: Any) -> None:
    (apart,) = tokenise_pairs(tokenizer, [pair(0)], SYSTEM_PROMPT, 400, objective="dpo")
    (whole,) = tokenise_pairs(tokenizer, [pair(0)], SYSTEM_PROMPT, 400, objective="reward")
    assert whole["chosen_ids"] == apart["prompt_ids"] + apart["chosen_ids"]
    assert whole["rejected_ids"] == apart["prompt_ids"] + apart["rejected_ids"]


def test_a_pair_is_a_good_and_a_bad_answer_and_a_thumb_is_one_answer(tokenizer: Any) -> None:
    thumbs = [replace(pair(n), rejected=None, extra={"label": good}) for n, good in ((1, True), (2, False))]
    dataset = tokenise_pairs(tokenizer, [pair(0), *thumbs], SYSTEM_PROMPT, 400, objective="kto")
    assert dataset["label"][:] == [True, False, True, False]
    assert dataset[0]["prompt_ids"] == dataset[1]["prompt_ids"]
    assert dataset[0]["completion_ids"] != dataset[1]["completion_ids"]


@pytest.mark.parametrize("objective", ["dpo", "kto", "reward"])
def test_a_pair_with_an_answer_that_is_too_long_is_left_out_whole_and_counted(
    tokenizer: Any, caplog: pytest.LogCaptureFixture, objective: Any
) -> None:
    rows = [pair(0), replace(pair(1), rejected="no " * 400)]
    with caplog.at_level(logging.WARNING):
        dataset = tokenise_pairs(tokenizer, rows, SYSTEM_PROMPT, 200, objective=objective)
    assert len(dataset) == (2 if objective == "kto" else 1)
    assert "1 of 2 rows are longer than 200 tokens" in caplog.text


@pytest.mark.parametrize("objective", ["dpo", "kto", "reward"])
def test_rows_without_a_worse_answer_are_refused_with_what_to_do(tokenizer: Any, objective: Any) -> None:
    with pytest.raises(DataError, match=r"1 of 2 rows have no rejected answer, the first is p1 .*kind: preference"):
        tokenise_pairs(tokenizer, [pair(0), replace(pair(1), rejected=None)], "", 400, objective=objective)
