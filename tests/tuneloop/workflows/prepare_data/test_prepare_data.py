from __future__ import annotations

import json
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expectations.validating import SuiteValidator
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.data.snapshots import load_manifest
from tuneloop.errors import DataError
from tuneloop.recipes import Checks, Data, Model, Recipe, Source
from tuneloop.results import DataReport
from tuneloop.row_files import load_rows
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.integration

TOPICS = ("kettle", "lamp", "duvet", "grinder", "bench", "parasol", "teapot", "mug", "rake", "wok")
PLACES = ("kitchen", "garden", "attic", "hallway", "cellar", "shed")
REVIEWS = Source(name="reviews", path="workspace:corrections.jsonl")


def a_recipe(*sources: Source, checks: Checks | None = None, **data: Any) -> Recipe:
    return Recipe(
        name="shop",
        model=Model(base="none", max_tokens=50),
        data=Data(sources=sources or (Source(name="pool", path="pool.jsonl"),), checks=checks or CHECKS, **data),
    )


CHECKS = Checks(person_names=False, languages=(), max_quarantined=0.9)


def sound_rows(n: int) -> list[dict[str, Any]]:
    return [
        {"id": f"r{i}", "completion": "No.", "prompt": f"my {TOPICS[i % 10]} in the {PLACES[i // 10]} broke on day {i}"}
        for i in range(n)
    ]


def write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))


def prepare(folder: Path, recipe: Recipe | None = None, feedback: tuple[Source, ...] = ()) -> DataReport:
    return prepare_data(
        recipe or a_recipe(),
        validator=SuiteValidator(),
        root=folder,
        workspace=folder / "ws",
        counter=WordCounter(),
        feedback=feedback,
    )


def is_balanced(r: DataReport) -> bool:
    kept = r.rows_train + r.rows_validation + r.rows_test + r.rows_private
    return r.rows_in == kept + r.rows_quarantined + r.rows_unused


def ids(report: DataReport, split: str) -> set[str]:
    return {r.id for r in load_rows(Path(report.folder) / f"{split}.parquet")}


def test_rows_go_through_to_a_version_and_flawed_ones_are_set_aside_with_their_reasons(tmp_path: Path) -> None:
    rows = sound_rows(60)
    write(
        tmp_path / "pool.jsonl",
        [
            *rows,
            '{"prompt": ',
            {"prompt": "x"},
            {"id": "twin", **{k: rows[0][k] for k in ("prompt", "completion")}},
            {"id": "pii", "prompt": "write to a.b@example.org", "completion": "ok"},
            {"id": "long", "prompt": " ".join(f"{t} {p}" for t in TOPICS for p in PLACES), "completion": "ok"},
        ],
    )

    report = prepare(tmp_path)

    assert report.reasons == {"broken_json": 1, "missing_field": 1, "personal_data": 1, "too_long": 1, "exact_copy": 1}
    assert (report.rows_in, report.rows_quarantined, report.sources) == (65, 5, {"pool": 65})
    assert is_balanced(report)
    assert {s: len(t) for s, t in report.lengths.items()} == {
        "train": report.rows_train,
        "validation": report.rows_validation,
        "test": report.rows_test,
    }
    quarantine = [json.loads(x) for x in (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()]
    assert {q["record_id"]: q["related"] for q in quarantine if q["reason"] == "exact_copy"} == {"twin": "r0"}
    assert [q["detail"] for q in quarantine if q["reason"] == "personal_data"] == ["pii_kinds: email"]


def test_a_sound_row_does_not_leave_in_favour_of_a_flawed_copy(tmp_path: Path) -> None:
    rows = sound_rows(60)
    flawed = {"id": "flawed", "prompt": rows[5]["prompt"], "completion": "A longer answer to a.b@example.org."}
    write(tmp_path / "pool.jsonl", [*rows, flawed])

    assert prepare(tmp_path).reasons == {"personal_data": 1}


def test_the_same_rows_are_the_same_version(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(60))

    assert prepare(tmp_path).version == prepare(tmp_path).version


def test_a_version_knows_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(59))
    first = prepare(tmp_path)
    write(tmp_path / "pool.jsonl", sound_rows(60))
    second = prepare(tmp_path)

    assert load_manifest(Path(first.folder)).parents == []
    assert load_manifest(Path(second.folder)).parents == [first.version]


def test_a_held_out_source_is_the_whole_test_set(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(50))
    exam = [{"id": f"e{i}", "prompt": f"question {i} about the {t}", "completion": "yes"} for i, t in enumerate(TOPICS)]
    write(tmp_path / "exam.jsonl", [*exam, {"id": "e99", "prompt": sound_rows(1)[0]["prompt"], "completion": "yes"}])
    recipe = a_recipe(Source(name="pool", path="pool.jsonl"), Source(name="exam", path="exam.jsonl", held_out=True))

    report = prepare(tmp_path, recipe)

    assert ids(report, "test") == {*(e["id"] for e in exam), "e99"}
    assert report.reasons == {"leakage": 1}
    assert report.rows_train + report.rows_validation == 49


def test_limits_leave_rows_unused_but_never_a_correction(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(60))
    write(
        tmp_path / "ws" / "corrections.jsonl",
        [{"id": f"c{i}", "prompt": f"new question {i} on {t}", "completion": "ok"} for i, t in enumerate(TOPICS)],
    )

    report = prepare(tmp_path, a_recipe(max_train_rows=12, max_validation_rows=2), (REVIEWS,))

    assert report.rows_train == 12
    assert report.rows_validation <= 2
    assert report.rows_unused > 30
    assert {f"c{i}" for i in range(10)} <= ids(report, "train")
    assert is_balanced(report)


def test_more_rows_do_not_change_a_sample_by_much(tmp_path: Path) -> None:
    write(tmp_path / "pool.jsonl", sound_rows(59))
    before = ids(prepare(tmp_path, a_recipe(max_train_rows=20)), "train")
    write(tmp_path / "pool.jsonl", sound_rows(60))

    assert len(before - ids(prepare(tmp_path, a_recipe(max_train_rows=20)), "train")) <= 1


@pytest.mark.parametrize(
    ("rows", "data", "message"),
    [
        ([], {}, "no rows at all"),
        (['{"prompt"'] * 9 + sound_rows(1), {"checks": Checks(max_quarantined=0.5)}, "9 of 10 rows"),
        (sound_rows(60), {"train_share": 1.0, "validation_share": 0.0}, "left to test on"),
        (sound_rows(60), {"train_share": 0.0, "validation_share": 0.0}, "left to train on"),
    ],
)
def test_a_run_that_cannot_go_on_says_what_to_do_and_where_the_rows_are(
    tmp_path: Path, rows: list[Any], data: dict[str, Any], message: str
) -> None:
    write(tmp_path / "pool.jsonl", rows)

    with pytest.raises(DataError, match=message):
        prepare(tmp_path, a_recipe(**data))
    assert (tmp_path / "ws" / "data" / "blocked-shop.jsonl").stat().st_mode & 0o777 == 0o600


def test_no_text_of_a_row_is_logged_or_in_the_manifest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    flawed = [{"prompt": "secret.person@example.org", "completion": "x"}, "{secret"]
    write(tmp_path / "pool.jsonl", [*sound_rows(60), *flawed])
    with caplog.at_level(logging.INFO):
        report = prepare(tmp_path)

    assert "read 62 rows" in caplog.text
    for text in (caplog.text, (Path(report.folder) / "manifest.json").read_text(), report.model_dump_json()):
        assert "secret" not in text
        assert "kettle" not in text


any_line = st.one_of(
    st.builds(
        lambda p, c, i: json.dumps({"prompt": p, "completion": c, "id": i}),
        st.sampled_from([*(r["prompt"] for r in sound_rows(8)), "a.b@example.org", "<p></p>", "word " * 60, ""]),
        st.sampled_from(["yes", "no", "", "a longer answer"]),
        st.sampled_from([1, 2, None]),
    ),
    st.sampled_from(["{", "[]", "null", "7", '{"prompt": 7, "completion": "x"}']),
)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(any_line, max_size=12),
    st.lists(any_line, max_size=4),
    st.lists(any_line, max_size=3),
    st.integers(1, 6),
)
def test_every_row_is_accounted_for(pool: list[str], reviews: list[str], vault: list[str], limit: int) -> None:
    vaulted = {"id": "vaulted", "prompt": "nothing like this was ever asked", "completion": "yes"}
    with TemporaryDirectory() as name:
        folder = Path(name)
        anchors = [json.dumps({"id": w, "prompt": f"anchor {w} {w}", "completion": "yes"}) for w in TOPICS]
        write(folder / "pool.jsonl", [*pool, *anchors])
        write(folder / "exam.jsonl", [{"id": "exam", "prompt": "one quite different question", "completion": "yes"}])
        write(folder / "vault.jsonl", [*vault, json.dumps(vaulted)])
        write(folder / "ws" / "corrections.jsonl", reviews)  # type: ignore[arg-type]
        recipe = a_recipe(
            Source(name="pool", path="pool.jsonl"),
            Source(name="exam", path="exam.jsonl", held_out=True),
            Source(name="vault", path="vault.jsonl", private=True),
            max_train_rows=limit,
            checks=CHECKS,
        )

        report = prepare(folder, recipe, (REVIEWS,))

        assert is_balanced(report)
        assert report.rows_in == len(pool) + len(anchors) + len(reviews) + len(vault) + 2
        assert report.rows_private >= 1
        assert sum(report.reasons.values()) == report.rows_quarantined
        assert sum(report.sources.values()) == report.rows_in
