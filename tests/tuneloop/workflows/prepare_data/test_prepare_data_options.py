"""What a recipe can ask of the data gate beyond its defaults."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from expectations.validating import SuiteValidator
from tests.tuneloop.data.meanings_by_words import WordEmbedder
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.data.snapshots import load_manifest
from tuneloop.errors import DataError
from tuneloop.recipes import AnswerFormat, Augmentation, Balance, Checks, Data, Model, Recipe, Source
from tuneloop.records import Record
from tuneloop.results import DataManifest, DataReport
from tuneloop.row_files import load_rows
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.integration

THINGS = ("kettle", "lamp", "duvet", "grinder", "bench", "parasol", "teapot", "mug", "rake", "wok")
PLACES = ("kitchen", "garden", "attic", "hallway", "cellar", "shed")
LABELS = AnswerFormat(kind="json", labels={"topic": ("repair", "refund")})


def rows(**more: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": f"r{i}",
            "prompt": f"Hello there, my {THINGS[i % 10]} in the {PLACES[i // 10]} broke on day {i}, what can I do?",
            "completion": json.dumps({"topic": "refund" if i % 3 == 0 else "repair", "reply": "We will help you."}),
            **more,
        }
        for i in range(60)
    ]


def prepare(folder: Path, given: list[dict[str, Any]], checks: dict[str, Any] | None = None, **data: Any) -> DataReport:
    (folder / "pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in given))
    settings = {"person_names": False, "languages": (), "max_quarantined": 0.9, **(checks or {})}
    sources = (Source(name="pool", path="pool.jsonl"),)
    recipe = Recipe(
        name="shop",
        model=Model(base="none", max_tokens=60),
        data=Data(sources=sources, checks=Checks(**settings), **data),
    )
    return prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=folder,
        workspace=folder / "ws",
        counter=WordCounter(),
        embedder=WordEmbedder(),
        as_of=datetime(2026, 11, 22, tzinfo=UTC),
    )


def kept(report: DataReport, split: str) -> list[Record]:
    return load_rows(Path(report.folder) / f"{split}.parquet")


def about(report: DataReport) -> DataManifest:
    return load_manifest(Path(report.folder))


def is_balanced(r: DataReport) -> bool:
    left = r.rows_train + r.rows_validation + r.rows_test + r.rows_quarantined + r.rows_unused
    return r.rows_in + r.rows_synthetic == left


def test_a_slice_that_is_too_large_is_cut_down(tmp_path: Path) -> None:
    report = prepare(tmp_path, rows(), answer=LABELS, balance=Balance(by="label:topic", max_ratio=1.0))

    topics = [json.loads(r.completion)["topic"] for r in kept(report, "train")]
    assert report.rows_unused == 60 - report.rows_train - report.rows_validation - report.rows_test
    assert 10 <= topics.count("repair") == topics.count("refund")
    assert report.rows_unused > 10
    assert is_balanced(report)


def test_a_small_slice_is_repeated_in_training_alone_and_its_copies_are_marked(tmp_path: Path) -> None:
    balance = Balance(by="label:topic", max_ratio=1.0, method="upsample")
    report = prepare(tmp_path, rows(), answer=LABELS, balance=balance)

    copies = [r for r in kept(report, "train") if "synthetic" in r.extra]
    topics = [json.loads(r.completion)["topic"] for r in kept(report, "train")]
    assert topics.count("refund") == topics.count("repair")
    assert report.rows_synthetic == len(copies) == len({r.id for r in copies})
    assert not [r for s in ("validation", "test") for r in kept(report, s) if "synthetic" in r.extra]
    assert is_balanced(report)


def test_synthetic_rows_are_marked_capped_and_never_tested_on(tmp_path: Path) -> None:
    grown = Augmentation(methods=("noise",), per_row=2, max_share=0.5, min_fidelity=0.3)
    report = prepare(tmp_path, rows(), augmentation=grown)

    made = [r for r in kept(report, "train") if "synthetic" in r.extra]
    real = {r.id for r in kept(report, "train")} - {r.id for r in made}
    assert 0 < len(made) == report.rows_synthetic <= len(real)
    assert {r.extra["synthetic"]["of"] for r in made} <= real
    assert not [r for s in ("validation", "test") for r in kept(report, s) if "synthetic" in r.extra]
    assert about(report).synthetic["noise_kept"] > 0
    assert is_balanced(report)


@pytest.mark.parametrize("policy", ["redact", "pseudonymise"])
def test_rows_with_personal_data_stay_without_it_and_no_file_has_it(tmp_path: Path, policy: str) -> None:
    told = [{**r, "prompt": r["prompt"] + f" Write to jo.smith{i % 2}@example.org"} for i, r in enumerate(rows())]
    report = prepare(tmp_path, told, {"pii_policy": policy})

    assert report.reasons == {}
    assert about(report).steps[2].changed == {"email": 60}
    written = b"".join(f.read_bytes() for f in Path(report.folder).iterdir())
    assert b"jo.smith" not in written
    texts = [r.prompt for s in ("train", "validation", "test") for r in kept(report, s)]
    placeholders = {t[t.index("<email") : t.index(">") + 1] for t in texts}
    assert len(placeholders) == (1 if policy == "redact" else 2)


def test_under_quarantine_personal_data_is_in_the_owners_file_alone(tmp_path: Path) -> None:
    report = prepare(tmp_path, [*rows(), {"prompt": "Write to jo.smith@example.org please", "completion": "Done."}])

    holders = [f.name for f in Path(report.folder).iterdir() if b"jo.smith" in f.read_bytes()]
    assert report.reasons == {"personal_data": 1}
    assert holders == ["quarantine.jsonl"]


def test_texts_are_repaired_before_they_are_checked(tmp_path: Path) -> None:
    marked = [{**r, "prompt": f"<p>{r['prompt']}</p><br>"} for r in rows()]

    assert prepare(tmp_path, marked, {"max_quarantined": 1.0}, cleaning=("html",)).reasons == {}
    with pytest.raises(DataError, match="left to train on"):
        prepare(tmp_path, marked, {"max_quarantined": 1.0})


def test_a_recipe_decides_what_a_finding_does(tmp_path: Path) -> None:
    flawed = [*rows(), {"prompt": "<div><p>Where is it?</p></div>", "completion": "On its way to you."}]

    assert prepare(tmp_path, flawed).reasons == {"html": 1}
    warned = prepare(tmp_path, flawed, {"severity": {"html": "warn"}})
    assert warned.reasons == {}
    assert [(c.severity, c.count) for c in about(warned).checks if c.reason == "html"] == [("warn", 1)]
    with pytest.raises(DataError, match="which blocks"):
        prepare(tmp_path, flawed, {"severity": {"html": "block"}})


def test_rows_that_are_too_old_are_set_aside(tmp_path: Path) -> None:
    aged = [{**r, "created_at": "2026-11-01" if i else "2020-01-01"} for i, r in enumerate(rows())]

    assert prepare(tmp_path, aged, {"max_age_days": 365}).reasons == {"outdated": 1}


def test_preference_pairs_keep_both_answers(tmp_path: Path) -> None:
    pairs = [{"prompt": r["prompt"], "chosen": "We will repair it.", "rejected": "No idea."} for r in rows()]
    same = {"prompt": "Which one is better then?", "chosen": "This one here.", "rejected": "This one here."}
    report = prepare(tmp_path, [*pairs, same], kind="preference")

    assert report.reasons == {"no_preference": 1}
    assert {r.rejected for r in kept(report, "train")} == {"No idea."}
    assert "pairs" in {c.suite for c in about(report).checks}


def test_prompts_of_one_meaning_are_not_in_training_and_test_both(tmp_path: Path) -> None:
    exact = prepare(tmp_path, rows())
    tested = kept(exact, "test")[0]
    words = tested.prompt.split()
    turned = [" ".join([*words[k:], *words[:k]]) for k in range(4, 10)]  # the same words in another order
    again = [{"id": f"turned{k}", "prompt": p, "completion": tested.completion} for k, p in enumerate(turned)]

    report = prepare(tmp_path, [*rows(), *again], {"same_meaning_cosine": 0.99, "near_duplicate_jaccard": 1.0})

    assert report.reasons.get("same_meaning", 0) > 0
    assert not {r.id for r in kept(report, "train")} & {r["id"] for r in again}


def test_the_page_opens_and_says_what_changed(tmp_path: Path) -> None:
    prepare(tmp_path, rows()[:50])
    second = prepare(tmp_path, rows())

    page = Path(second.page).read_text(encoding="utf-8")
    assert "60 rows in" in page
    assert about(second).parents[0] in page
    assert "http://" not in page.replace("http://www.w3.org", "")
