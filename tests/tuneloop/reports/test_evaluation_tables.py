from __future__ import annotations

from math import inf, nan

import pytest

from tests.tuneloop.reports.evaluation_examples import make_evaluated_round, metric
from tests.tuneloop.reports.examples import make_round
from tuneloop.reports.evaluation import tables
from tuneloop.reports.evaluation.plots import draw_forest, draw_parts
from tuneloop.reports.evaluation.verdict import reason_rows, sentence, state_of
from tuneloop.reports.rounds import metrics_by_round
from tuneloop.results import Reason, Verdict

PNG = b"\x89PNG"


@pytest.fixture
def round_(tmp_path):
    return make_evaluated_round(tmp_path)


def reason(*, passed: bool, **changes) -> Reason:
    return Reason(**({"rule": "m better than base", "passed": passed, "text": "t"} | changes))


def verdict(decision: str, *reasons: Reason) -> Verdict:
    return Verdict(decision=decision, reasons=list(reasons), candidate_hash="c", champion_hash=None)


@pytest.mark.parametrize(
    ("decision", "reasons", "told"),
    [
        ("promote", [reason(passed=True)], "Promoted: the only rule holds."),
        ("promote", [reason(passed=True)] * 3, "Promoted: all 3 rules and checks hold."),
        (
            "promote",
            [reason(passed=True), reason(passed=True), reason(passed=False, decisive=False)],
            "Promoted: all 2 rules and checks hold.",
        ),
        (
            "reject",
            [reason(passed=True), reason(passed=False), reason(passed=False, rule="waits", is_open=True)],
            "Refused: 1 of 3 rules and checks does not hold: m better than base.",
        ),
        (
            "needs_review",
            [reason(passed=True), reason(passed=False, rule="people", is_open=True)],
            "A person has to decide: 1 of 2 rules and checks is open: people.",
        ),
        ("needs_review", [], "A person has to decide: no rule could be checked."),
    ],
)
def test_the_verdict_is_one_plain_sentence(decision, reasons, told):
    assert sentence(verdict(decision, *reasons)) == told


def test_a_rule_that_passed_unmeasured_did_not_apply_but_a_check_holds():
    assert state_of(reason(passed=True, metric="m")) == "did not apply"
    assert state_of(reason(passed=True)) == "holds"
    assert state_of(reason(passed=True, metric="m", change=0.1)) == "holds"


def test_numbers_that_are_none_are_left_out_of_the_table():
    (row,) = reason_rows(verdict("reject", reason(passed=False, candidate=0.5, change=0.1, low=-inf, high=nan)))
    assert (row["candidate"], row["change"], row["needed"]) == ("0.500", "+0.100", "")


def test_the_main_metric_is_what_the_recipe_wants_to_improve(round_):
    assert tables.main_metrics(round_) == ["field_accuracy", "rouge_l"]
    rules = {"evaluation": {"rules": [{"metric": "loss"}, {"metric": "rouge_l", "kind": "improve"}]}}
    assert tables.main_metric(round_.model_copy(update={"settings": rules})) == "rouge_l"
    assert tables.main_metric(make_round(1)) == "valid_json"


def test_the_slice_that_lost_most_comes_first(round_):
    rows = tables.slice_rows(round_, "field_accuracy")
    assert rows[0]["slice"] == "label:category=returns"
    assert rows[0]["remark"] == "a rule fails here"
    assert {row["remark"] for row in rows[1:]} == {"clearly better"}
    assert rows[0]["n"] == 10


def test_what_lower_is_better_for_is_clearly_better_when_it_falls(round_):
    def with_gap(report, value):
        gap = {"a=1": {"gap": metric(value, lower_is_better=True)}}
        return report.model_copy(update={"slices": gap})

    turned = {"candidate": with_gap(round_.candidate, 0.2), "champion": with_gap(round_.champion, 0.6)}
    assert tables.slice_rows(round_.model_copy(update=turned), "gap")[0]["remark"] == "clearly better"


def test_every_suite_has_a_table_of_its_own(round_):
    rows = tables.metric_rows(round_)
    assert next(iter(rows)) == tables.SUITES[tables.TASK]
    assert len(rows) == 4
    assert rows[tables.SUITES["bias_pairs"]][0]["metric"] == "bias_gap (lower is better)"
    assert tables.category_rows(round_)["red_team"][1]["category"] == "prompt leak"


def test_what_weakens_the_scores_is_said(round_):
    told = " ".join(tables.cautions(round_))
    assert "2 answers of the candidate ran into evaluation.max_new_tokens" in told
    assert "kappa with people may be as low as 0.21" in told
    other = round_.model_copy(update={"base": round_.base.model_copy(update={"prompt_format": "b"})})
    other = other.model_copy(update={"candidate": round_.candidate.model_copy(update={"prompt_format": "c"})})
    assert "different prompt formats" in " ".join(tables.cautions(other))


def test_the_forest_is_drawn_for_what_was_measured_only(round_):
    assert draw_forest(round_.verdict).startswith(PNG)
    assert draw_forest(verdict("reject", reason(passed=False))) == b""
    assert draw_forest(verdict("reject")) == b""


def test_an_interval_without_an_end_can_be_drawn():
    numbers = {"metric": "$m_{$", "candidate": 0.5, "change": 0.1, "low": -inf, "high": inf, "threshold": nan}
    assert draw_forest(verdict("reject", reason(passed=False, **numbers))).startswith(PNG)


def test_hostile_names_of_slices_can_be_drawn():
    names = ("$\\frac{$", "", "x" * 500, "\x00\n", "\u202eabc")
    parts = {name: {"candidate": metric(0.5), "base": metric(0.4)} for name in names}
    assert draw_parts(parts, "$m$").startswith(PNG)


def test_scores_by_round_are_drawn_even_where_nothing_is_a_share(round_):
    losses = round_.candidate.model_copy(update={"metrics": {"loss": metric(0.5)}, "suites": {}})
    assert metrics_by_round([round_.model_copy(update={"candidate": losses})]).startswith(PNG)
