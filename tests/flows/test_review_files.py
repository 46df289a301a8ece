"""The whole loop without a server: sheets go out, a filled-in copy comes back, and the round that waited is decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from tests.flows.conftest import tiny_recipe
from tests.tuneloop.adapters.file_backend.filling import fill
from tuneloop.adapters.file_backend import FileBackend
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import Round

pytestmark = pytest.mark.flow

NAME = "tiny-files"
PROMPTS = [f"The {thing} that I bought makes a noise when it rains" for thing in ("roof", "boat", "clock", "shelf")]
MENDED = json.dumps({"item": "roof", "matter": "noise"})


@pytest.fixture(scope="module")
def recipe(place: Path) -> str:
    (place / "files.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))
    found: Any = tiny_recipe(place) | {"name": NAME}
    rules = [{"metric": "human_rating", "kind": "absolute", "minimum": 3.5}]
    evaluation = {"metrics": ["valid_json"], "max_rows": 4, "max_new_tokens": 4, "rules": rules, "speed": False}
    found["evaluation"] = evaluation | dict.fromkeys(("forgetting", "red_team", "bias_pairs"))
    found["review"] = {"backend": "files", "prompts": "files.jsonl", "min_submitted": 1, "sampling": {"random": 1.0}}
    (place / "files.yaml").write_text(yaml.safe_dump(found))
    return "files.yaml"


def backend(place: Path) -> FileBackend:
    workspace = place / "workspace"
    return FileBackend(workspace / "review-files" / NAME, pseudonym_key=pseudonym_key(workspace))


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", NAME)


def test_a_round_writes_its_review_set_as_sheets(place: Path, recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.retraining_cycle import retraining_cycle

    monkeypatch.delenv("TUNELOOP_ARGILLA_URL", raising=False)
    retraining_cycle(recipe)
    (round_,) = rounds_of(place)
    (files,) = backend(place).files(f"{NAME}-round-")
    assert [file.suffix for file in files.files] == [".xlsx", ".csv", ".jsonl"]
    assert files.progress.records == len(PROMPTS)
    assert [review.records for review in round_.reviews] == [len(PROMPTS)]


def test_what_comes_back_is_collected_with_its_reviewer(place: Path, recipe: str) -> None:
    from flows.human_review import human_review

    sheet = backend(place).files()[0].files[0]
    said = {n: {"rating": 5} for n in range(1, len(PROMPTS) + 1)}
    said[1]["correction"] = MENDED  # type: ignore[assignment]
    assert backend(place).import_file(fill(sheet, said), reviewer="Anna").faults == []
    (report,) = human_review(recipe)
    assert (report.responses, report.corrections) == (4, 1)
    (again,) = human_review(recipe)
    assert (again.responses, again.new_responses) == (4, 0)


def test_the_correction_is_trained_on(place: Path, recipe: str) -> None:
    from flows.retraining_cycle import retraining_cycle

    retraining_cycle(recipe, "feedback")
    last = rounds_of(place)[-1]
    assert (last.number, last.trigger) == (2, "feedback")
    rows = [
        json.loads(row)
        for file in Path(last.data.folder).glob("*.parquet")
        for row in pd.read_parquet(file, columns=["record"])["record"]
    ]
    (mended,) = [row for row in rows if row["source"] == "reviews"]
    assert MENDED in json.dumps(mended).replace('\\"', '"')
    assert mended["extra"]["reviewer"].startswith("reviewer-")
