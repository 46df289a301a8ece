"""What a reviewer writes in the browser is what the next round is trained on, and the row says who wrote it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from expectations.validating import SuiteValidator
from tasks.data import feedback_sources
from tests.browser import mossgate
from tests.browser.conftest import Reviewer
from tests.browser.mossgate import BARBECUE
from tests.tuneloop.lineage.lineage_examples import HASHES, write_round
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.cli.app import app
from tuneloop.recipes import Recipe
from tuneloop.review.collecting import collect
from tuneloop.row_files import load_rows
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


def test_a_correction_made_in_the_browser_is_in_the_next_rounds_training_data_with_its_lineage(
    reviewer: Reviewer, backend: ArgillaBackend, review_set: str, recipe: Recipe, tmp_path: Path
) -> None:
    robin = reviewer("robin")
    robin.filter_by_number("answer words", at_most=49)
    robin.search("hose")
    robin.expect_record(mossgate.message(BARBECUE))
    robin.rate("rating", 1)
    robin.choose("issues", "unsafe", "voice")
    robin.write("correction", mossgate.right_answer(BARBECUE))
    robin.submit()
    robin.expect_nothing("pending")

    [said] = backend.answers(review_set)
    report = collect([said], folder=tmp_path / "feedback" / recipe.name)
    assert (report.responses, report.new_responses, report.corrections) == (1, 1, 1)
    data = prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=ROOT,
        workspace=tmp_path,
        counter=WordCounter(),
        feedback=feedback_sources(recipe),
    )

    name = f"review/{review_set}/{BARBECUE}"
    [row] = [row for row in load_rows(Path(data.folder) / "train.parquet") if row.id == name]
    assert (row.prompt, row.completion) == (mossgate.message(BARBECUE), mossgate.right_answer(BARBECUE))
    who = {
        "reviewer": said.reviewer,
        "reviewed_at": said.submitted_at,
        "response_id": said.response_id,
        "review_set": review_set,
        "item_id": BARBECUE,
        "model": mossgate.MODEL,
        "rating": 1,
    }
    assert "robin" not in json.dumps(row.to_json())

    [story] = tuneloop(tmp_path, "data", "show", data.version, name)
    assert (story["split"], story["source"], story["review"]) == ("train", "reviews", who)

    write_round(tmp_path, 2, data.version)
    for question in (("--row", name), ("--reviewer", said.reviewer)):
        traced = tuneloop(tmp_path, "models", "lineage", *question)
        assert [trace["version"] for trace in traced["found"]] == [data.version]
        assert [model["model_hash"] for model in traced["found"][0]["models"]] == [HASHES[2]]


def tuneloop(workspace: Path, *arguments: str) -> Any:
    """What the command line says, as JSON."""
    environment = {"TUNELOOP_ROOT": str(ROOT), "TUNELOOP_WORKSPACE": str(workspace)}
    result = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)
