"""What reviewers and agents give passes the same checks as any row, in whichever form a recipe learns from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from expectations.validating import SuiteValidator
from tasks.data import feedback_sources
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tests.tuneloop.workflows.prepare_data.test_prepare_data import CHECKS, a_recipe, is_balanced, sound_rows, write
from tuneloop.ports import ReviewAnswer
from tuneloop.recipes import AnswerFormat, Recipe, Training
from tuneloop.records import Record
from tuneloop.results import DataReport
from tuneloop.review.collecting import collect
from tuneloop.row_files import load_rows
from tuneloop.workflows.collect_feedback import accept_answers
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.integration

ANSWER = ReviewAnswer(
    response_id="r",
    item_id="i",
    review_set="shop-round-1",
    reviewer="reviewer-1a2b3c4d5e6f",
    submitted_at="2026-11-01T10:00:00+00:00",
    prompt="",
    answer="Nobody here would know about that.",
    model="m1",
    rating=1,
    issues=(),
    correction="It will be sent to you on Monday.",
)
MODES = ("sft", "pairs", "kto")


def a_mode(mode: str, **data: Any) -> Recipe:
    if mode == "pairs":
        return a_recipe(kind="preference", **data)
    return a_recipe(**data).model_copy(update={"training": Training(objective="kto" if mode == "kto" else "sft")})


def pool_rows(mode: str) -> list[dict[str, Any]]:
    rows = sound_rows(60)
    if mode == "kto":
        return [row | {"extra": {"label": True}} for row in rows]
    if mode == "pairs":
        return [{"id": r["id"], "prompt": r["prompt"], "chosen": "No.", "rejected": "Yes, maybe."} for r in rows]
    return rows


def made(folder: Path, mode: str, answers: list[ReviewAnswer], **data: Any) -> DataReport:
    """The data version after these answers have been collected, as the flow makes it."""
    recipe = a_mode(mode, **data)
    write(folder / "pool.jsonl", pool_rows(mode))
    feedback = folder / "ws" / "feedback" / "shop"
    collect(answers, folder=feedback)
    accept_answers([], folder=feedback, checks=recipe.data.checks, key=b"k" * 32)
    return prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=folder,
        workspace=folder / "ws",
        counter=WordCounter(),
        feedback=feedback_sources(recipe),
        verdicts=feedback / "row_verdicts.jsonl",
    )


def rows_of(report: DataReport, split: str = "train") -> dict[str, Record]:
    return {row.id: row for row in load_rows(Path(report.folder) / f"{split}.parquet")}


def people_in(report: DataReport) -> dict[str, Record]:
    return {name: row for name, row in rows_of(report).items() if row.source == "reviews"}


def set_aside(report: DataReport) -> dict[str, str]:
    lines = (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()
    return {row["record_id"]: row["reason"] for row in map(json.loads, lines) if row["source"] == "reviews"}


def asked(name: str, prompt: str, **changes: Any) -> ReviewAnswer:
    return replace(ANSWER, response_id=f"r-{name}", item_id=name, prompt=prompt, **changes)


def held_out_prompt(folder: Path, mode: str) -> str:
    report = made(folder, mode, [])
    return next(iter(rows_of(report, "test").values())).prompt


@pytest.mark.parametrize("mode", MODES)
def test_flawed_words_of_people_are_set_aside_with_the_reason_and_sound_ones_are_trained_on(
    tmp_path: Path, mode: str
) -> None:
    answers = [
        asked("good", "when will the parcel with my order be here"),
        asked("pii", "who should I write to about the bill", correction="Write to jo.doe@example.org, please."),
        asked("tokens", "can you send me a new key for it", correction="Yes. <|im_end|><|im_start|>system"),
        asked("long", "how do I put it together at home", correction=" ".join(f"step{n}" for n in range(60))),
        asked("noise", "is there a way to pay in two parts", correction="!!! ??? !!! ???"),
        asked("leak", held_out_prompt(tmp_path / "before", mode)),
    ]

    report = made(tmp_path, mode, answers)

    name = "review/shop-round-1"
    reasons = {
        f"{name}/pii": "personal_data",
        f"{name}/tokens": "special_tokens",
        f"{name}/long": "too_long",
        f"{name}/noise": "low_quality",
        f"{name}/leak": "leakage",
    }
    found = set_aside(report)
    assert {row: reason for row, reason in found.items() if not row.endswith("/answer")} == reasons
    assert f"{name}/good" in people_in(report)
    assert is_balanced(report)
    if mode == "kto":
        assert found[f"{name}/leak/answer"] == "leakage"
        assert people_in(report)[f"{name}/pii/answer"].extra["label"] is False


@pytest.mark.parametrize("mode", MODES)
def test_a_row_remembers_who_said_it_where_when_and_of_which_model(tmp_path: Path, mode: str) -> None:
    report = made(tmp_path, mode, [asked("good", "when will the parcel with my order be here")])

    extra = people_in(report)["review/shop-round-1/good"].extra
    assert {name: value for name, value in extra.items() if name != "label"} == {
        "review_set": "shop-round-1",
        "item_id": "good",
        "response_id": "r-good",
        "reviewer": "reviewer-1a2b3c4d5e6f",
        "reviewed_at": "2026-11-01T10:00:00+00:00",
        "model": "m1",
        "rating": 1,
    }


def test_personal_data_in_the_answer_that_is_not_to_be_learned_is_found_as_well(tmp_path: Path) -> None:
    leaky = asked("leaky", "who should I write to about the bill", answer="To jo.doe@example.org.")

    assert set_aside(made(tmp_path / "pairs", "pairs", [leaky])) == {"review/shop-round-1/leaky": "personal_data"}
    assert set_aside(made(tmp_path / "kto", "kto", [leaky])) == {"review/shop-round-1/leaky/answer": "personal_data"}


def test_all_pairs_of_one_ranking_are_learned_and_of_two_records_with_one_prompt_the_longer_answer(
    tmp_path: Path,
) -> None:
    ranking = asked(
        "ranked",
        "when will the parcel with my order be here",
        kind="preference",
        alternative="It will come some time soon.",
        preferred="alternative",
        rating=None,
    )
    again = replace(ranking, response_id="r2", review_set="shop-round-2", kind="answers", correction="Monday then.")

    report = made(tmp_path, "pairs", [ranking, again])

    pairs = {(row.completion, row.rejected) for row in people_in(report).values()}
    monday, soon, nobody = "It will be sent to you on Monday.", "It will come some time soon.", ANSWER.answer
    assert pairs == {(monday, soon), (monday, nobody), (soon, nobody)}
    assert set_aside(report) == {"review/shop-round-2/ranked": "exact_copy"}


def test_for_kto_a_bad_answer_may_have_a_bad_form_and_contradict_the_good_one(tmp_path: Path) -> None:
    def of(team: str) -> str:
        return json.dumps({"team": team, "reply": "They will see to it today."})

    answers = [
        asked("wrong", "when will the parcel come", answer=of("bills"), correction=of("parcels")),
        asked("broken", "who takes care of my bill", answer="team: bills", correction=of("bills")),
        asked("still broken", "where does my old lamp go", answer=of("bills"), correction="team: parcels"),
    ]
    write(tmp_path / "pool.jsonl", [row | {"completion": of("bills")} for row in pool_rows("kto")])
    collect(answers, folder=tmp_path / "ws" / "feedback" / "shop")
    recipe = a_mode("kto", answer=AnswerFormat(kind="json", labels={"team": ("bills", "parcels")}))
    report = prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=tmp_path,
        workspace=tmp_path / "ws",
        counter=WordCounter(),
        feedback=feedback_sources(recipe),
    )

    assert {name.removeprefix("review/shop-round-1/") for name in people_in(report)} == {
        "wrong",
        "wrong/answer",
        "broken",
        "broken/answer",
        "still broken/answer",
    }
    assert set_aside(report) == {"review/shop-round-1/still broken": "bad_answer"}


def sampled(row: Record, fit: str, **changes: Any) -> ReviewAnswer:
    whole = replace(
        ANSWER,
        response_id=f"r-{row.id}",
        item_id=f"item-{row.id}",
        review_set="shop-data_sample-1",
        kind="data_sample",
        prompt=row.prompt,
        answer=row.completion,
        rating=None,
        correction=None,
        labels={"fit": fit, "row_id": row.id},
    )
    return replace(whole, **changes)


def verdicts_on(folder: Path, mode: str) -> tuple[DataReport, list[Record]]:
    rows = list(rows_of(made(folder, mode, [])).values())[:3]
    answers = [
        sampled(rows[0], "leave_out"),
        sampled(rows[1], "mend", correction="Yes, of course we can."),
        sampled(rows[2], "mend", correction="Write to jo.doe@example.org."),
    ]
    return made(folder, mode, answers), rows


@pytest.mark.parametrize("mode", MODES)
def test_a_row_that_reviewers_want_out_goes_and_a_mended_one_takes_its_place_if_it_is_sound(
    tmp_path: Path, mode: str
) -> None:
    report, (gone, mended, spoilt) = verdicts_on(tmp_path, mode)

    quarantine = [json.loads(x) for x in (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()]
    told = "withdrawn_by: reviewer-1a2b3c4d5e6f in shop-data_sample-1"
    assert {q["record_id"]: (q["reason"], q["detail"]) for q in quarantine} == {
        gone.id: ("withdrawn_by_reviewer", told),
        spoilt.id: ("personal_data", "pii_kinds: email"),
    }
    row = rows_of(report)[mended.id]
    assert (row.completion, row.messages[:-1], row.rejected) == (
        "Yes, of course we can.",
        mended.messages[:-1],
        mended.rejected,
    )
    assert (row.extra["reviewer"], row.extra["mended"]) == ("reviewer-1a2b3c4d5e6f", True)
    assert is_balanced(report)


def test_a_verdict_is_on_the_row_as_people_saw_it(tmp_path: Path) -> None:
    row = next(iter(rows_of(made(tmp_path, "sft", [])).values()))
    verdict = [sampled(row, "leave_out", answer="Another answer, before the source was mended.")]

    assert row.id in rows_of(made(tmp_path, "sft", verdict))


def test_a_mended_row_may_be_mended_again_and_withdrawn(tmp_path: Path) -> None:
    row = next(iter(rows_of(made(tmp_path, "sft", [])).values()))
    first = sampled(row, "mend", correction="Yes, we can.")
    again = replace(first, response_id="r2", review_set="shop-data_sample-2", submitted_at="2026-11-02T00:00:00+00:00")
    better = replace(again, answer="Yes, we can.", correction="Yes, we can do that.")
    gone = replace(again, answer="Yes, we can.", correction=None, labels={"fit": "leave_out", "row_id": row.id})

    assert rows_of(made(tmp_path / "a", "sft", [first, better]))[row.id].completion == "Yes, we can do that."
    assert row.id not in rows_of(made(tmp_path / "b", "sft", [first, gone]))


def test_without_any_word_of_people_a_version_is_what_it_was(tmp_path: Path) -> None:
    report = made(tmp_path, "sft", [])

    assert report.reasons == {}
    assert CHECKS.pii_policy == "quarantine"
