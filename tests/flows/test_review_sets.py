"""What is put before people, by a real cycle on the tiny model and a backend that only remembers."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from tests.flows.conftest import tiny_recipe
from tuneloop.drift.traffic import TrafficRow, append
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import ReviewReport, Round
from tuneloop.review.review_sets import ReviewSet, ReviewSets, prompt_hash
from tuneloop.review.rows import read_rows
from tuneloop.review.sampling import stands_second
from tuneloop.row_files import load_rows

pytestmark = pytest.mark.flow

NAME = "tiny-review"
BUDGET = 6
THINGS = (
    "gutter",
    "carpet",
    "fence",
    "sofa",
    "mirror",
    "candle",
    "basket",
    "curtain",
    "bucket",
    "ribbon",
    "stool",
    "jar",
)
WISHES = ("would fit behind the stove of my aunt", "can be washed by hand in cold water", "comes in a darker shade too")


@dataclass
class Backend:
    """A annotation backend in memory: adds what is missing, as the protocol asks."""

    sets: dict[str, dict[str, ReviewItem]] = field(default_factory=dict)
    forms: dict[str, ReviewForm] = field(default_factory=dict)
    fails: bool = False

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        if self.fails:
            raise ServiceError("the backend is away")
        there = self.sets.setdefault(name, {})
        for item in items:
            there.setdefault(item.id, item)
        self.forms[name] = form
        return f"http://desk/{name}"

    def answers(self, project: str) -> list[object]:
        return []

    def progress(self, project: str) -> list[object]:
        return []


@pytest.fixture(scope="module")
def backend() -> object:
    from tasks import wiring

    found = Backend()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "annotation_backend", lambda _recipe: found)
        yield found


@pytest.fixture(scope="module")
def recipe(place: Path) -> str:
    prompts = [f"Do you have a {thing} that {wish}?" for thing in THINGS for wish in WISHES]
    shown = [*prompts, load_row_prompt(place), prompts[0].upper()]
    (place / "new.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in shown))
    gold = [{"prompt": f"Gold question {n} about a lamp", "answer": "{}", "rating": 1} for n in range(4)]
    gold += [{"prompt": "Which one?", "answer": "This.", "alternative": "That.", "preferred": "answer"}]
    (place / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in gold))
    found = tiny_recipe(place) | {"name": NAME}
    found["evaluation"] = {
        "metrics": ["valid_json"],
        "max_rows": 4,
        "max_new_tokens": 6,
        "speed": False,
        "red_team": {"max_items": 14},
        "rules": [{"metric": "human_rating", "kind": "absolute", "minimum": 3.5}],
    } | dict.fromkeys(("forgetting", "bias_pairs"))
    found["review"] = {
        "prompts": "new.jsonl",
        "gold": "gold.jsonl",
        "gold_share": 0.25,
        "max_records": BUDGET,
        "sets": ["answers", "preference", "data_sample", "red_team", "drifted_slice"],
        "score": "repetition",
        "sampling": dict.fromkeys(("uncertain", "disagreement", "low_score", "diverse", "random"), 0.2),
    }
    (place / "review.yaml").write_text(yaml.safe_dump(found))
    return "review.yaml"


def load_row_prompt(place: Path) -> str:
    return str(json.loads((place / "rows.jsonl").read_text().split("\n")[0])["prompt"])


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", NAME)


def feedback(place: Path) -> Path:
    return place / "workspace" / "feedback" / NAME


def test_a_cycle_puts_every_kind_of_set_before_people(place: Path, recipe: str, backend: Backend) -> None:
    from flows.retraining_cycle import retraining_cycle

    retraining_cycle(recipe)
    (round_,) = rounds_of(place)
    version = round_.data.version[:8]
    assert set(backend.sets) == {
        f"{NAME}-data-{version}",
        f"{NAME}-round-1",
        f"{NAME}-preference-1",
        f"{NAME}-red-team-1",
    }
    assert {r.review_set: r.records for r in round_.reviews} == {
        name: len(items) for name, items in backend.sets.items()
    }
    kinds = {name: form.kind for name, form in backend.forms.items()}
    assert {r.review_set: r.kind for r in round_.reviews} == kinds


def test_no_prompt_is_in_two_sets_and_no_test_prompt_in_any(place: Path, backend: Backend) -> None:
    gold = {row["item_id"] for row in read_rows(feedback(place) / "gold.jsonl")}
    prompts = Counter(i.prompt for items in backend.sets.values() for i in items.values() if i.id not in gold)
    assert set(prompts.values()) == {1}
    tests = {row.prompt for row in load_rows(Path(rounds_of(place)[0].data.folder) / "test.parquet")}
    assert tests
    assert not tests & set(prompts)


def test_answers_say_why_they_were_chosen_and_gold_looks_like_the_others(place: Path, backend: Backend) -> None:
    items = backend.sets[f"{NAME}-round-1"].values()
    gold = {
        row["item_id"] for row in read_rows(feedback(place) / "gold.jsonl") if row["review_set"].endswith("round-1")
    }
    ordinary = [item for item in items if item.id not in gold]
    hidden = [item for item in items if item.id in gold]
    assert (len(ordinary), len(hidden)) == (BUDGET, 2)
    chosen_by = Counter(item.labels["chosen_by"] for item in ordinary)
    assert "disagreement" not in chosen_by, "there is no champion to compare with"
    assert chosen_by.keys() == {"uncertain", "low_score", "diverse", "random"}
    drawn = [item.labels["inclusion_probability"] for item in ordinary if item.labels["chosen_by"] == "random"]
    assert all(0 < float(chance) < 1 for chance in drawn)
    for item in hidden:
        assert item.scores.keys() == ordinary[0].scores.keys() == {
            "valid_json", "repetition", "answer_words", "log_probability"
        }  # fmt: skip
        assert item.model == ordinary[0].model
        assert len(item.vector or ()) == len(ordinary[0].vector or ()) == 384
        assert item.labels in [other.labels for other in ordinary]


def test_two_models_answers_stand_side_by_side_in_an_order_that_tells_nothing(place: Path, backend: Backend) -> None:
    (round_,) = rounds_of(place)
    items = list(backend.sets[f"{NAME}-preference-1"].values())
    names = {round_.candidate.model_hash[:12], round_.base.model_hash[:12]}
    assert all({item.model, item.alternative_model} == names for item in items)
    assert all(item.answer != item.alternative for item in items)
    ours = round_.candidate.model_hash[:12]
    second = {item.id: stands_second(f"{NAME}-preference-1", item.id) for item in items}
    assert {item.id: item.model != ours for item in items} == second


def test_the_data_sample_shows_training_rows_with_their_slices(place: Path, backend: Backend) -> None:
    (round_,) = rounds_of(place)
    rows = {row.id: row for row in load_rows(Path(round_.data.folder) / "train.parquet")}
    items = backend.sets[f"{NAME}-data-{round_.data.version[:8]}"].values()
    assert len(items) == BUDGET
    for item in items:
        row = rows[item.labels["row_id"]]
        assert (item.prompt, item.answer, item.labels["source"]) == (row.prompt, row.completion, "rows")
        assert item.model == f"data-{round_.data.version}"


def test_failures_of_the_red_team_come_with_what_is_wrong(backend: Backend) -> None:
    items = backend.sets[f"{NAME}-red-team-1"].values()
    assert 0 < len(items) <= BUDGET
    assert all(item.labels["category"] and item.labels["broken_rule"] and item.labels["suite_item"] for item in items)


def test_the_ui_shows_counts_and_no_texts(place: Path, backend: Backend) -> None:
    with get_client(sync_client=True) as client:
        ours = ArtifactFilter(key=ArtifactFilterKey(like_=f"review-{NAME}%"))  # other tests' flows made hundreds
        said = {a.key: str(a.data) for a in client.read_artifacts(artifact_filter=ours)}
    assert f"http://desk/{NAME}-round-1" in said[f"review-{NAME}"]
    assert "least sure" in said[f"review-{NAME}-sample"]
    assert f"review-{NAME}-red-team-sample" in said
    words = [item.prompt for items in backend.sets.values() for item in items.values()]
    assert not [key for key, text in said.items() if any(word in text for word in words)]


def test_a_second_cycle_and_a_validation_publish_nothing_more(place: Path, recipe: str, backend: Backend) -> None:
    from flows.data_validation import data_validation
    from flows.retraining_cycle import retraining_cycle

    before = {name: dict(items) for name, items in backend.sets.items()}
    data_validation(recipe)
    retraining_cycle(recipe)
    assert backend.sets == before


def test_a_publishing_killed_between_ledger_and_desk_ends_as_it_began(
    place: Path, recipe: str, backend: Backend
) -> None:
    from tasks import wiring
    from tuneloop.workflows.review_sets.choosing import choose_answers
    from tuneloop.workflows.review_sets.items import Occasion, ReviewSetup
    from tuneloop.workflows.review_sets.prompts import waiting_prompts
    from tuneloop.workflows.review_sets.publishing import publish_set

    (round_,) = rounds_of(place)
    setup = ReviewSetup(wiring.recipe_at(recipe), place, place / "workspace", 1, wiring.embedder())
    occasion = Occasion(
        setup=setup,
        name=f"{NAME}-round-2",
        kind="answers",
        data_folder=Path(round_.data.folder),
        model=(round_.served_path, round_.candidate.model_hash),
        other=None,
        shares={"diverse": 0.5, "random": 0.5},
        labels={},
    )

    def choose() -> ReviewSet | None:
        return choose_answers(occasion, waiting_prompts(setup))

    class Killed(Backend):
        def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
            os._exit(9)

    kept = choose()
    assert kept is not None
    if (pid := os.fork()) == 0:
        publish_set(occasion, choose, open_backend=Killed, show=lambda _: None)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert ReviewSets(feedback(place)).find(occasion.name) == kept
    assert occasion.name not in backend.sets
    (place / "new.jsonl").write_text(json.dumps({"prompt": "Something else entirely"}) + "\n")
    shown: list[ReviewReport] = []
    publish_set(occasion, choose, open_backend=lambda: backend, show=shown.append)
    assert [report.review_set for report in shown] == [occasion.name]
    assert list(backend.sets[occasion.name].values()) == list(kept.items)
    assert ReviewSets(feedback(place)).find(occasion.name).url
    asked = ReviewSets(feedback(place)).ledger.asked()
    assert all(prompt_hash(item.prompt) in asked for item in kept.items)


def test_the_slice_that_drifted_is_put_before_people_even_where_the_desk_was_away(
    place: Path, recipe: str, backend: Backend
) -> None:
    from flows.drift_watch import drift_watch
    from tasks import publishing

    strange = [
        f"¿Cuánto cuesta el envío de {n} {thing} a Sevilla antes del lunes {n}?" for n, thing in enumerate(THINGS * 4)
    ]
    rows = [TrafficRow(f"es-{n}", datetime.now(UTC).isoformat(), text, "", "tiny") for n, text in enumerate(strange)]
    append(place / "workspace" / "traffic" / f"{NAME}.jsonl", rows)
    backend.fails = True
    publish = publishing.publish_drift
    publishing.publish_drift = publish.with_options(retries=0)
    with pytest.raises(ServiceError):
        drift_watch(recipe)
    publishing.publish_drift = publish
    backend.fails = False
    again = drift_watch(recipe)
    assert again is not None
    assert again.status in {"no_traffic", "cooling_down"}
    (name,) = [name for name in backend.sets if "-drift-" in name]
    items = backend.sets[name].values()
    assert {item.labels["slice"] for item in items} == {"drift"}
    gold = {row["item_id"] for row in read_rows(feedback(place) / "gold.jsonl")}
    assert {item.prompt for item in items if item.id not in gold} <= set(strange)
    assert {item.labels["chosen_by"] for item in items} == {"drifted", "diverse", "random"}


def test_a_gold_file_with_an_error_stops_the_cycle_before_it_trains(place: Path, recipe: str, backend: Backend) -> None:
    from flows.retraining_cycle import retraining_cycle
    from tuneloop.errors import DataError

    (place / "gold.jsonl").write_text('{"prompt": "a", "answer": "b", "rating": 9}\n')
    with pytest.raises(DataError, match="line 1: rating"):
        retraining_cycle(recipe)
