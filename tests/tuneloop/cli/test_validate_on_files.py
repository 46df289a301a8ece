from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.expectations.test_feedback_suite import ANSWER
from tests.expectations.test_traffic_suite import ROW
from tests.tiny_models import make_tiny_tokenizer
from tuneloop.cli.validate_command import register
from tuneloop.review.review_sets import AskedLedger

pytestmark = pytest.mark.integration

SOUND = [
    {"prompt": f"My {thing} broke on the very first day, what can I do?", "completion": f"Send the {thing} back to us."}
    for thing in ("kettle", "lamp", "garden bench", "teapot", "wok", "parasol")
]
FLAWED = {"prompt": "Please write to jo.smith@example.org about the rake.", "completion": "We will."}
PAIR = {"prompt": "Where is the lamp I ordered?", "chosen": "It is on its way.", "rejected": "No idea."}

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNELOOP_ROOT", raising=False)
    monkeypatch.delenv("TUNELOOP_WORKSPACE", raising=False)
    return tmp_path


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["validate", *arguments])


@pytest.fixture
def run() -> Run:
    """Exit code and JSON of a check without spaCy, which other tests load."""

    def checked(*arguments: str) -> tuple[int, dict[str, Any]]:
        result = invoke(*arguments, "--json", "--no-names")
        return result.exit_code, json.loads(result.stdout)

    return checked


def write(file: str, *rows: Any) -> str:
    Path(file).write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return file


def read(file: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(file).read_text().splitlines()]


def failed(said: dict[str, Any]) -> dict[str, int]:
    return {c["reason"]: c["count"] for c in said["checks"] if not c["success"]}


def test_texts_are_repaired_before_the_checks_where_that_is_asked_for(run: Run) -> None:
    file = write("rows.jsonl", *SOUND, {**SOUND[0], "prompt": "<p>Where is my <b>rake</b> from last week?</p>"})
    assert failed(run(file)[1])["html"] == 1

    code, said = run(file, "--clean", "html", "--clean-out", "clean.jsonl")

    assert (code, "html" in failed(said)) == (0, False)
    assert read("clean.jsonl")[-1]["messages"][0]["content"] == "Where is my rake from last week?"


def test_a_sound_file_ends_with_0(run: Run) -> None:
    code, said = run(write("rows.jsonl", *SOUND))

    assert (code, said["rows_in"], said["rows_passed"], said["worst"]) == (0, 6, 6, None)
    assert "lengths were not checked: name the model's folder with --base" in said["notes"]
    assert failed(said) == {}


def test_findings_end_with_1_and_are_named_by_file_and_line(run: Run) -> None:
    code, said = run(write("rows.jsonl", *SOUND, FLAWED, "{broken", SOUND[0]))

    assert code == 1
    assert failed(said) == {"personal_data": 1, "exact_copy": 1}
    assert said["unreadable"] == [{"reason": "broken_json", "count": 1, "places": ["rows:8"]}]
    assert (said["rows_in"], said["rows_passed"], said["rows_set_aside"]) == (9, 6, 3)
    (personal,) = [c for c in said["checks"] if c["reason"] == "personal_data"]
    assert [(e["source"], e["line"]) for e in personal["examples"]] == [("rows", 7)]


@pytest.mark.parametrize(("fail_on", "code"), [("block", 0), ("quarantine", 1), ("warn", 1)])
def test_the_caller_says_what_is_too_much(run: Run, fail_on: str, code: int) -> None:
    assert run(write("rows.jsonl", *SOUND, FLAWED), "--fail-on", fail_on)[0] == code


def test_a_warning_is_too_much_only_where_the_caller_says_so(run: Run) -> None:
    file = write("rows.jsonl", *SOUND, {**SOUND[0], "prompt": "Is it <b> or not that I should buy?"})

    assert run(file)[0] == 0
    assert run(file, "--fail-on", "warn")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.jsonl"],
        ["rows.txt"],
        ["rows.jsonl", "--recipe", "missing.yaml"],
        ["rows.jsonl", "--base", "no-such-model"],
        ["rows.jsonl", "--report", "no/such/folder/page.html"],
    ],
)
def test_what_cannot_be_used_ends_with_2_and_a_message(arguments: list[str]) -> None:
    write("rows.jsonl", *SOUND)
    write("rows.txt", *SOUND)

    result = invoke(*arguments, "--no-names")

    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [[], ["f.jsonl", "--suite", "odd"], ["f.jsonl", "--column", "prompt"], ["f.jsonl", "--fail", "warn"]]
)
def test_a_command_line_that_makes_no_sense_ends_with_2(arguments: list[str]) -> None:
    write("f.jsonl", *SOUND)

    assert invoke(*arguments).exit_code == 2


def test_columns_by_other_names_and_other_formats_are_read(run: Run) -> None:
    with Path("rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["ticket", "reply"], *((r["prompt"], r["completion"]) for r in SOUND)])

    code, said = run("rows.csv", "--column", "prompt=ticket", "--column", "completion=reply")

    assert (code, said["rows_passed"]) == (0, 6)


def test_lengths_are_checked_in_the_tokens_of_a_base(run: Run, folder: Path) -> None:
    base = str(make_tiny_tokenizer(folder / "base"))
    long = {"prompt": "What about this? " * 200, "completion": "Nothing."}

    _, said = run(write("rows.jsonl", *SOUND, long), "--base", base)

    assert said["notes"] == []
    assert failed(said) == {"low_quality": 1, "too_long": 1}


def test_several_files_are_compared_with_each_other(run: Run) -> None:
    Path("b").mkdir()

    _, said = run(write("rows.jsonl", *SOUND), write("b/rows.jsonl", SOUND[0]))

    assert failed(said) == {"exact_copy": 1}
    assert [s["name"] for s in said["sources"]] == ["rows", "rows-2"]


def test_rows_with_two_answers_are_taken_for_pairs(run: Run) -> None:
    code, said = run(write("pairs.jsonl", PAIR))

    assert code == 0
    assert {c["suite"] for c in said["checks"]} == {"pairs", "relations"}


def test_thresholds_and_the_answers_form_come_from_a_recipe(run: Run) -> None:
    recipe = {
        "name": "shop",
        "data": {
            "sources": [],
            "answer": {"kind": "json", "required_keys": ["reply"]},
            "checks": {"severity": {"bad_answer": "block"}},
        },
        "model": {"base": "none"},
    }
    Path("shop.yaml").write_text(json.dumps(recipe))

    code, said = run(write("rows.jsonl", SOUND[0]), "--recipe", "shop.yaml", "--fail-on", "block")

    assert (code, said["worst"], failed(said)) == (1, "block", {"bad_answer": 1})


def test_any_language_is_fine_where_the_caller_says_so(run: Run) -> None:
    row = {"prompt": "Wo bleibt meine Lampe, die ich letzte Woche bestellt habe?", "completion": "Sie ist unterwegs."}
    file = write("rows.jsonl", row)

    assert failed(run(file)[1]) == {"language": 1}
    assert failed(run(file, "--language", "de")[1]) == {}
    assert failed(run(file, "--language", "any")[1]) == {}


def test_rows_that_pass_are_written_and_pass_again(run: Run) -> None:
    code, _ = run(write("rows.jsonl", *SOUND, FLAWED), "--clean-out", "clean.jsonl", "--quarantine-out", "bad.jsonl")

    assert code == 1
    assert run("clean.jsonl")[0] == 0
    assert len(read("clean.jsonl")) == len(SOUND)
    assert [(r["reason"], r["line"]) for r in read("bad.jsonl")] == [("personal_data", 7)]
    assert {Path(f).stat().st_mode & 0o777 for f in ("clean.jsonl", "bad.jsonl")} == {0o600}


def test_pairs_that_pass_are_written_as_pairs(run: Run) -> None:
    run(write("pairs.jsonl", PAIR), "--clean-out", "clean.jsonl")

    code, said = run("clean.jsonl")
    assert (code, said["rows_passed"]) == (0, 1)
    assert read("clean.jsonl")[0]["rejected"] == [{"role": "assistant", "content": "No idea."}]


@pytest.mark.parametrize("policy", ["redact", "pseudonymise"])
def test_personal_data_is_treated_as_the_caller_says(run: Run, policy: str) -> None:
    code, said = run(write("rows.jsonl", *SOUND, FLAWED), "--pii", policy, "--clean-out", "clean.jsonl")

    assert (code, said["rows_passed"]) == (0, 7)
    assert "jo.smith" not in Path("clean.jsonl").read_text()


def test_nothing_is_left_behind_but_what_was_asked_for(run: Run, folder: Path) -> None:
    run(write("rows.jsonl", *SOUND))

    assert [f.name for f in folder.iterdir()] == ["rows.jsonl"]


def test_report_and_pages_hold_no_personal_data(run: Run) -> None:
    run(write("rows.jsonl", *SOUND, FLAWED), "--report", "page.html", "--data-docs", "docs")

    files = [Path("page.html"), *(f for f in Path("docs").rglob("*") if f.is_file())]
    assert len(files) > 4
    assert not [f for f in files if b"jo.smith" in f.read_bytes()]
    assert "<html" in Path("page.html").read_text()


def test_the_table_says_in_words_what_and_where() -> None:
    said = " ".join(invoke(write("rows.jsonl", *SOUND, FLAWED), "--no-names").stdout.split())

    assert "7 rows: 6 pass, 1 would be set aside." in said
    assert "quarantine 1 personal_data pii_kinds The row holds personal data or a secret. rows:7" in said
    assert "jo.smith" not in said


def test_reviewers_answers_are_checked(run: Run) -> None:
    good, bad = asdict(ANSWER), asdict(replace(ANSWER, response_id="r2", reviewer="Jo Smith", rating=9))

    code, said = run(write("answers.jsonl", good, bad, {"prompt": "x"}), "--suite", "feedback")

    assert (code, said["worst"]) == (1, "block")
    assert failed(said) == {"named_reviewer": 1, "bad_rating": 1}
    assert said["unreadable"] == [{"reason": "missing_field", "count": 1, "places": ["answers:3"]}]
    assert (said["rows_in"], said["rows_passed"]) == (3, 1)


def test_what_was_never_asked_is_found_where_the_ledger_is_near(run: Run, folder: Path) -> None:
    AskedLedger(folder / "asked.jsonl").remember("shop-round-1", ["Another question?"])

    _, said = run(write("answers.jsonl", asdict(ANSWER)), "--suite", "feedback")

    assert failed(said) == {"never_asked": 1}


@pytest.mark.parametrize(("rating", "reasons"), [(0, {"bad_rating": 1}), ("", {}), ("4", {}), (None, {})])
def test_ratings_are_read_as_files_write_them(run: Run, rating: Any, reasons: dict[str, int]) -> None:
    _, said = run(write("answers.jsonl", {**asdict(ANSWER), "rating": rating}), "--suite", "feedback")

    assert failed(said) == reasons


def test_traffic_is_checked_and_written_again(run: Run) -> None:
    rows = [asdict(ROW), asdict(replace(ROW, id="t2", prompt=" ")), asdict(replace(ROW, id="t3", answer=""))]

    code, said = run(
        write("log.jsonl", *rows), "--suite", "traffic", "--clean-out", "clean.jsonl", "--report", "p.html"
    )

    assert (code, failed(said)) == (1, {"empty_prompt": 1, "empty_answer": 1})
    assert [r["id"] for r in read("clean.jsonl")] == ["t1", "t3"]
    assert "<html" in Path("p.html").read_text()


def test_an_empty_file_cannot_be_used() -> None:
    result = invoke(write("rows.jsonl"), "--no-names")

    assert result.exit_code == 2
    assert "no rows" in result.stderr
