import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from tests.tuneloop.reports.data_examples import make_manifest
from tuneloop.cli import data_commands
from tuneloop.cli.app import PlainErrors
from tuneloop.data.snapshots import write_snapshot
from tuneloop.records import Message, Record, Rejection

SECRET = "Ring Anna Berg on 0161 496 0000"


def record(name, text="Where is it?", line=1, **changes):
    return Record(name, (Message("user", text), Message("assistant", "Here.")), "desk", line, **changes)


def set_aside(name="gone", **changes):
    raw = json.dumps(record(name, SECRET, 5, group="anna@example.com", extra={"given_id": "first"}).to_json())
    content = {"source": "desk", "line": 5, "record_id": name, "reason": "near_copy", "detail": "near_copy: kept"}
    return Rejection(**(content | {"related": "kept", "raw": raw} | changes))


BROKEN = Rejection("desk", 9, None, "broken_json", "not JSON: column 4", raw="{\x1b[2J")


@pytest.fixture
def workspace(tmp_path):
    return tmp_path / "ws"


@pytest.fixture
def make(workspace):
    """Writes a data version as the gate does; returns its name."""

    def write(rows, *, quarantine=(), **manifest):
        def describe(version, _):
            return make_manifest(version, **manifest)

        texts = [(split, r.id, "cluster-1", json.dumps(r.to_json())) for split, r in rows]
        return write_snapshot(workspace, rows=texts, quarantine=quarantine, config={}, describe=describe).name

    return write


@pytest.fixture
def tuneloop(tmp_path):
    app = typer.Typer(cls=PlainErrors)
    data_commands.register(app)

    def run(*arguments):
        return CliRunner().invoke(
            app, ["data", *arguments], env={"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"}
        )

    return run


@pytest.mark.parametrize("command", ["log", "show", "diff"])
def test_every_command_explains_itself(tuneloop, command):
    result = tuneloop(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 300


@pytest.mark.parametrize("command", ["log", "show", "diff"])
def test_without_versions_every_command_says_how_to_make_one(tuneloop, command):
    result = tuneloop(command)
    assert result.exit_code == 1
    assert "tuneloop run" in result.output


def test_registering_the_commands_imports_nothing_heavy():
    code = (
        "import sys, typer; from tuneloop.cli import data_commands; data_commands.register(typer.Typer())\n"
        "print([m for m in ('pydantic', 'pyarrow', 'matplotlib', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_log_lists_the_versions_of_a_recipe_oldest_first(tuneloop, make):
    first = make([("train", record("a"))])
    second = make([("train", record("b"))], parents=[first])
    make([("train", record("c"))], recipe="other")
    rows = json.loads(tuneloop("log", "--recipe", "desk", "--json").output)
    assert [(r["version"], r["parent"]) for r in rows] == [(first, ""), (second, first)]
    assert rows[0]["reasons"]["near_copy"] == 60
    assert "other" in tuneloop("log").output


def test_the_log_has_one_line_per_version_in_a_pipe(tuneloop, make):
    version = make([("train", record("a"))])
    (line,) = (row for row in tuneloop("log").output.splitlines() if version in row)
    assert "leakage 10" in line


def test_the_latest_version_is_shown_when_none_is_named(tuneloop, make):
    make([("train", record("a"))])
    latest = make([("train", record("b"))])
    assert latest in tuneloop("show").output
    assert json.loads(tuneloop("show", "--json").output)["version"] == latest


def test_a_version_is_found_by_its_first_letters_when_they_are_clear(tuneloop, make):
    versions = [make([("train", record(f"r{n}"))]) for n in range(17)]  # 16 digits: two begin alike
    assert json.loads(tuneloop("show", versions[3][:10], "--json").output)["version"] == versions[3]
    shared = next(v[0] for v in versions if sum(w.startswith(v[0]) for w in versions) > 1)
    ambiguous, unknown = tuneloop("show", shared), tuneloop("show", "xyz")
    assert (ambiguous.exit_code, unknown.exit_code) == (1, 1)
    assert "ambiguous" in ambiguous.output
    assert versions[-1] in unknown.output


def test_set_aside_rows_are_listed_without_their_text(tuneloop, make):
    make([("train", record("kept"))], quarantine=[set_aside(), BROKEN])
    lines = tuneloop("show", "--quarantine").output.splitlines()
    assert [line.split()[:2] for line in lines] == [["desk:5", "near_copy"], ["desk:9", "broken_json"]]
    assert "(see kept)" in lines[0]
    for output in ("\n".join(lines), tuneloop("show", "--quarantine", "--json").output, tuneloop("show").output):
        assert SECRET not in output
        assert "anna@example.com" not in output


def test_raw_rows_are_only_shown_when_asked_for_and_with_a_warning(tuneloop, make):
    make([("train", record("kept"))], quarantine=[set_aside(), BROKEN])
    result = tuneloop("show", "--quarantine", "--raw")
    assert SECRET in result.stdout
    assert "\x1b" not in result.stdout
    assert "personal data" in result.stderr
    assert json.loads(tuneloop("show", "--quarantine", "--raw", "--json").stdout)[1]["raw"] == BROKEN.raw
    assert tuneloop("show", "--raw").exit_code != 0


def test_the_page_is_named_by_its_path_and_written_where_it_is_missing(tuneloop, make, workspace):
    version = make([("train", record("a"))])
    page = workspace / "data" / version / "report.html"
    assert not page.exists()
    assert tuneloop("show", "--page").output.strip() == str(page)
    assert version in page.read_text()
    page.write_text("as it was")
    assert tuneloop("show", "--page").output.strip() == str(page)
    assert page.read_text() == "as it was"


def test_a_kept_row_tells_where_it_came_from_and_who_reviewed_it(tuneloop, make):
    extra = {"review_set": "desk-round-2", "reviewer": "3f9a2c", "rating": 2, "private": SECRET}
    version = make([("train", record("a", SECRET, 7, extra=extra)), ("test", record("b"))])
    (story,) = json.loads(tuneloop("show", version, "a", "--json").output)
    assert (story["source"], story["line"], story["split"], story["cluster"]) == ("desk", 7, "train", "cluster-1")
    assert story["review"] == {"review_set": "desk-round-2", "reviewer": "3f9a2c", "rating": 2}
    output = tuneloop("show", version, "a").output
    assert "desk-round-2" in output
    assert SECRET not in output


def test_a_synthetic_row_tells_what_it_was_made_of(tuneloop, make):
    version = make([("train", record("a~noise1", extra={"synthetic": {"method": "noise", "of": "a"}}))])
    assert "synthetic of         a" in tuneloop("show", version, "a~noise1").output


def test_a_row_that_was_set_aside_tells_why_and_which_one_was_kept(tuneloop, make):
    version = make([("train", record("kept"))], quarantine=[set_aside(), BROKEN])
    (story,) = json.loads(tuneloop("show", version, "gone", "--json").output)
    assert (story["reason"], story["related"], story["split"], story["given_id"]) == (
        "near_copy",
        "kept",
        None,
        "first",
    )
    output = tuneloop("show", version, "gone").output
    assert "none: set aside" in output
    assert "Nearly the same question" in output
    assert "anna@example.com" not in output
    assert "broken_json" in tuneloop("show", version, "desk:9").output


def test_a_row_that_is_nowhere_is_an_error(tuneloop, make):
    result = tuneloop("show", make([("train", record("a"))]), "nobody")
    assert result.exit_code == 1
    assert "no row nobody" in result.output


def test_a_version_is_compared_with_its_parent_by_default(tuneloop, make):
    first = make([("train", record("a")), ("test", record("t"))])
    second = make([("train", record("a", "Other?")), ("train", record("b")), ("test", record("t"))], parents=[first])
    found = json.loads(tuneloop("diff", "--json").output)
    assert (found["old"], found["new"]) == (first, second)
    train = found["splits"]["train"]
    assert (train["added_ids"], train["changed_ids"], train["removed"]) == (["b"], ["a"], 0)
    assert found["moved"] == []
    assert tuneloop("diff").exit_code == 0


def test_a_version_is_compared_with_the_latest_of_its_own_recipe(tuneloop, make):
    first = make([("train", record("a"))])
    second = make([("train", record("b"))], parents=[first])
    other = make([("train", record("c"))], recipe="other")
    assert json.loads(tuneloop("diff", first, "--json").output)["new"] == second
    assert json.loads(tuneloop("diff", first, other, "--json").output)["new"] == other


def test_a_row_that_moved_from_test_to_training_makes_the_comparison_fail(tuneloop, make):
    first = make([("train", record("a")), ("test", record("t"))])
    make([("train", record("a")), ("train", record("t"))], parents=[first])
    result = tuneloop("diff")
    assert result.exit_code == 1
    assert "t: test -> train" in result.output


def test_a_version_whose_rows_were_deleted_cannot_be_compared(tuneloop, make, workspace):
    first = make([("train", record("a"))])
    make([("train", record("b"))], parents=[first])
    (workspace / "data" / first / "train.parquet").unlink()
    result = tuneloop("diff")
    assert result.exit_code == 1
    assert "there are no rows" in result.output


def test_a_first_version_has_nothing_to_be_compared_with(tuneloop, make):
    make([("train", record("a"))])
    result = tuneloop("diff")
    assert result.exit_code == 1
    assert "first version" in result.output
